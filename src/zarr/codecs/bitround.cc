// bitround: the last bits of the mantissa are rounded away before compressing. Nothing is to be done on reading.
#include <nlohmann/json.hpp>

#include "nd/byte_order.h"
#include "zarr/codecs/numbers.h"

namespace seamount::zarr {
namespace {

// To nearest, ties to even, as numcodecs does it on the bits: NaN and infinity may change into each other.
template <class Bits>
void RoundBits(std::span<std::byte> numbers, int dropped) {
  const auto mask = static_cast<Bits>(~Bits{0} << dropped);
  const auto half = static_cast<Bits>((Bits{1} << (dropped - 1)) - 1);
  for (size_t at = 0; at < numbers.size(); at += sizeof(Bits)) {
    auto bits = LoadNumber<Bits>(numbers.data() + at);
    bits = static_cast<Bits>(bits + (bits >> dropped & 1) + half);
    StoreNumber(static_cast<Bits>(bits & mask), numbers.data() + at);
  }
}

class BitRoundCodec final : public ByteCodec {
 public:
  BitRoundCodec(const NumberCode& code, int keep) : code_(code), keep_(keep) {}

  size_t EncodedBound(size_t size) const override { return size; }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    const int mantissa = code_.type == nd::DataType::kFloat16 ? 10 : code_.type == nd::DataType::kFloat32 ? 23 : 52;
    if (!nd::IsFloat(code_.type)) return base::InvalidArgument("bitround is for floats only");
    if (keep_ < 0 || keep_ > mantissa) {
      return base::InvalidArgument("bitround to " + std::to_string(keep_) + " bits (0 to " + std::to_string(mantissa) +
                                   " expected)");
    }
    const NumberCode native{code_.type, false};
    CastNumbers(code_, from, native, into);
    const auto numbers = into.first(from.size());
    const int dropped = mantissa - keep_;
    if (dropped > 0 && code_.size() == 2) RoundBits<uint16_t>(numbers, dropped);
    if (dropped > 0 && code_.size() == 4) RoundBits<uint32_t>(numbers, dropped);
    if (dropped > 0 && code_.size() == 8) RoundBits<uint64_t>(numbers, dropped);
    if (code_.big_endian) nd::SwapBytes(numbers, code_.size());
    return from.size();
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte>) const override {
    return from;
  }

 private:
  const NumberCode code_;
  const int keep_;
};

}  // namespace

CodecMaker MakeBitRound;
Result<std::unique_ptr<ByteCodec>> MakeBitRound(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY_ASSIGN(const int keep, IntMemberOr(configuration, "keepbits", -1, -1, 1000));
  return NewCodec<BitRoundCodec>(NumberCode{form.type.number, form.big_endian}, keep);
}

}  // namespace seamount::zarr
