// zarr-extensions' packbits: of every number (of both parts of a complex one) the bits from first_bit to last_bit, the
// lowest first, one behind the other. Unlike numcodecs' filter of that name, whose first bit is a byte's highest.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

constexpr size_t kByte = 8;

enum class Padding { kNone, kFirstByte, kLastByte };  // where the number of unused bits is written

struct Layout {
  size_t word = 1;   // bytes of a number in memory
  size_t first = 0;  // of its bits
  size_t bits = 1;   // how many are kept, at most 64
  bool is_signed = false;
  Padding padding = Padding::kNone;
};

uint64_t LowBits(size_t bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

// The bits from `at` on. What lies behind the end of `from` is zero.
uint64_t BitsAt(std::span<const std::byte> from, uint64_t at, size_t bits) {
  const size_t byte = at / kByte;
  const size_t shift = at % kByte;
  uint64_t low = 0;
  std::memcpy(&low, from.data() + byte, std::min(sizeof(low), from.size() - byte));
  low >>= shift;
  if (shift > 0 && byte + sizeof(low) < from.size()) {
    low |= std::to_integer<uint64_t>(from[byte + sizeof(low)]) << (64 - shift);
  }
  return low & LowBits(bits);
}

// Sets bits that are zero so far.
void PutBits(uint64_t value, uint64_t at, size_t bits, std::span<std::byte> into) {
  for (size_t done = 0; done < bits;) {
    const size_t shift = (at + done) % kByte;
    into[(at + done) / kByte] |= static_cast<std::byte>(value >> done << shift & 0xff);
    done += kByte - shift;
  }
}

class BitFieldsCodec final : public ByteCodec {
 public:
  explicit BitFieldsCodec(const Layout& layout) : layout_(layout) {}

  size_t EncodedBound(size_t size) const override { return PackedBytes(size) + PaddingBytes(); }

  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    const size_t bytes = EncodedBound(from.size());
    std::memset(into.data(), 0, bytes);
    const auto packed = PackedPart(into.first(bytes));
    uint64_t at = 0;
    for (size_t i = 0; i < from.size(); i += layout_.word, at += layout_.bits) {
      uint64_t number = 0;
      std::memcpy(&number, from.data() + i, layout_.word);
      PutBits(number >> layout_.first & LowBits(layout_.bits), at, layout_.bits, packed);
    }
    const auto unused = static_cast<std::byte>(packed.size() * kByte - at);
    if (layout_.padding == Padding::kFirstByte) into[0] = unused;
    if (layout_.padding == Padding::kLastByte) into[bytes - 1] = unused;
    return bytes;
  }

  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (from.size() != EncodedBound(into.size())) {
      return base::DataLoss(std::to_string(from.size()) + " bytes of packed bits (" +
                            std::to_string(EncodedBound(into.size())) + " expected)");
    }
    const auto packed = PackedPart(from);
    const uint64_t used = into.size() / layout_.word * layout_.bits;
    if (layout_.padding != Padding::kNone) {
      const auto unused =
          std::to_integer<uint64_t>(layout_.padding == Padding::kFirstByte ? from.front() : from.back());
      if (unused != packed.size() * kByte - used) return base::DataLoss("packed bits with an impossible padding");
    }
    uint64_t at = 0;
    for (size_t i = 0; i < into.size(); i += layout_.word, at += layout_.bits) {
      uint64_t number = BitsAt(packed, at, layout_.bits);
      const bool negative = layout_.is_signed && (number >> (layout_.bits - 1) & 1) != 0;
      if (negative) number |= ~LowBits(layout_.bits);
      number <<= layout_.first;
      std::memcpy(into.data() + i, &number, layout_.word);
    }
    return std::span<const std::byte>(into);
  }

 private:
  size_t PaddingBytes() const { return layout_.padding == Padding::kNone ? 0 : 1; }
  size_t PackedBytes(size_t size) const { return (size / layout_.word * layout_.bits + kByte - 1) / kByte; }
  template <class Byte>
  std::span<Byte> PackedPart(std::span<Byte> bytes) const {
    return bytes.subspan(layout_.padding == Padding::kFirstByte ? 1 : 0, bytes.size() - PaddingBytes());
  }

  const Layout layout_;
};

Result<Padding> ParsePadding(const Json& configuration) {
  const auto found = configuration.find("padding_encoding");
  if (found == configuration.end() || found->is_null()) return Padding::kNone;
  const Json& padding = *found;
  if (padding == Json("none")) return Padding::kNone;
  if (padding == Json("first_byte") || padding == Json("start_byte")) return Padding::kFirstByte;
  if (padding == Json("last_byte") || padding == Json("end_byte")) return Padding::kLastByte;
  return base::DataLoss("\"padding_encoding\" is " + DumpJson(padding).substr(0, 64) +
                        " (\"none\", \"first_byte\" or \"last_byte\" expected)");
}

Result<size_t> BitMember(const Json& configuration, const char* name, size_t fallback, size_t most) {
  const auto found = configuration.find(name);
  if (found == configuration.end() || found->is_null()) return fallback;
  SEAMOUNT_TRY_ASSIGN(const int bit, IntMemberOr(configuration, name, 0, 0, static_cast<int>(most)));
  return static_cast<size_t>(bit);
}

}  // namespace

CodecMaker MakeBitFields;
Result<std::unique_ptr<ByteCodec>> MakeBitFields(const Json& configuration, ChunkForm& form) {
  const bool number = form.type.kind == ElementKind::kNumber;
  if (!number && form.type.kind != ElementKind::kBFloat16) return base::InvalidArgument("is for numbers only");
  Layout layout{.word = form.type.word()};
  const size_t bits = number && form.type.number == nd::DataType::kBool ? 1 : layout.word * kByte;
  layout.is_signed = number && nd::IsInteger(form.type.number) && nd::Signed(form.type.number) == form.type.number;
  SEAMOUNT_TRY_ASSIGN(layout.padding, ParsePadding(configuration));
  SEAMOUNT_TRY_ASSIGN(layout.first, BitMember(configuration, "first_bit", 0, bits - 1));
  SEAMOUNT_TRY_ASSIGN(const size_t last, BitMember(configuration, "last_bit", bits - 1, bits - 1));
  if (last < layout.first) return base::DataLoss("\"last_bit\" lies before \"first_bit\"");
  layout.bits = last - layout.first + 1;
  return NewCodec<BitFieldsCodec>(layout);
}

}  // namespace seamount::zarr
