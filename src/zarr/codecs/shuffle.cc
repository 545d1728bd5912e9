// numcodecs' byte shuffle of whole buffers.
#include "nd/shuffle.h"

#include <limits>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

class ShuffleCodec final : public ByteCodec {
 public:
  explicit ShuffleCodec(size_t element_size) : element_size_(element_size) {}

  size_t EncodedBound(size_t size) const override { return size; }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    nd::Shuffle(from.data(), into.data(), from.size(), element_size_);
    return from.size();
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (from.size() > into.size()) {
      return base::DataLoss(std::to_string(from.size()) + " shuffled bytes (at most " + std::to_string(into.size()) +
                            " expected)");
    }
    nd::Unshuffle(from.data(), into.data(), from.size(), element_size_);
    return std::span<const std::byte>(into.first(from.size()));
  }

 private:
  const size_t element_size_;
};

}  // namespace

CodecMaker MakeShuffle;
Result<std::unique_ptr<ByteCodec>> MakeShuffle(const Json& configuration, ChunkForm&) {
  SEAMOUNT_TRY_ASSIGN(const int size, IntMemberOr(configuration, "elementsize", 4, 0, std::numeric_limits<int>::max()));
  return NewCodec<ShuffleCodec>(static_cast<size_t>(size));
}

}  // namespace seamount::zarr
