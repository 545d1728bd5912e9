// numcodecs' packbits: eight booleans a byte, first the highest bit, behind a byte that says how many bits are padding.
#include <algorithm>
#include <cstring>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

constexpr size_t kBits = 8;

class PackBitsCodec final : public ByteCodec {
 public:
  size_t EncodedBound(size_t size) const override { return 1 + (size + kBits - 1) / kBits; }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    const size_t bytes = EncodedBound(from.size());
    std::memset(into.data(), 0, bytes);
    into[0] = static_cast<std::byte>((kBits - from.size() % kBits) % kBits);
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] != std::byte{0}) into[1 + i / kBits] |= std::byte{0x80} >> (i % kBits);
    }
    return bytes;
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (from.empty()) return base::DataLoss("packed bits without their first byte");
    const auto padding = std::to_integer<size_t>(from[0]);
    const size_t bits = (from.size() - 1) * kBits;
    if (padding >= kBits || padding > bits) return base::DataLoss("packed bits with an impossible padding");
    const size_t count = bits - padding;
    if (count > into.size()) {
      return base::DataLoss(std::to_string(count) + " packed bits (at most " + std::to_string(into.size()) +
                            " expected)");
    }
    for (size_t i = 0; i < count; ++i) into[i] = from[1 + i / kBits] >> (kBits - 1 - i % kBits) & std::byte{1};
    return std::span<const std::byte>(into.first(count));
  }
};

}  // namespace

CodecMaker MakePackBits;
Result<std::unique_ptr<ByteCodec>> MakePackBits(const Json&, ChunkForm& form) {
  auto codec = NewCodec<PackBitsCodec>();
  if (form.encoded) return codec;
  if (form.type.number != nd::DataType::kBool) return base::InvalidArgument("is for booleans only");
  form.bytes = (*codec)->EncodedBound(form.bytes);
  form.shape = {form.bytes};
  form.type = nd::DataType::kUInt8;
  form.fill = Bytes();
  return codec;
}

}  // namespace seamount::zarr
