// array → bytes: the elements as they are, or in the other byte order.
#include <algorithm>
#include <cstring>

#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/codec_config.h"

namespace seamount::zarr {
namespace {

class SwapCodec final : public ByteCodec {
 public:
  explicit SwapCodec(ElementType type) : type_(std::move(type)) {}

  size_t EncodedBound(size_t size) const override { return size; }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    // Copied by pieces that are still in the cache when they are swapped.
    const size_t piece = std::max<size_t>(1, (size_t{64} << 10) / type_.size) * type_.size;
    for (size_t at = 0; at < from.size(); at += piece) {
      const auto part = into.subspan(at, std::min(piece, from.size() - at));
      std::memcpy(part.data(), from.data() + at, part.size());
      SwapElements(type_, part);
    }
    return from.size();
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (from.size() > into.size()) return base::DataLoss("holds more than the chunk");
    SEAMOUNT_TRY_ASSIGN(const size_t size, Encode(from, into));
    return std::span<const std::byte>(into.first(size));
  }

 private:
  const ElementType type_;
};

}  // namespace

CodecMaker MakeBytes;
Result<std::unique_ptr<ByteCodec>> MakeBytes(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY_ASSIGN(form.big_endian, ParseEndian(configuration));
  if (!form.big_endian || !HasByteOrder(form.type)) return std::unique_ptr<ByteCodec>();
  return NewCodec<SwapCodec>(form.type);
}

}  // namespace seamount::zarr
