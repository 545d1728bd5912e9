// numcodecs' lz4: four bytes of size, then one LZ4 block.
#include <lz4.h>

#include <cstdint>
#include <cstring>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

constexpr size_t kSizeBytes = 4;  // of the decoded bytes, little endian, before the block

class Lz4Codec final : public ByteCodec {
 public:
  explicit Lz4Codec(int acceleration) : acceleration_(acceleration) {}

  size_t EncodedBound(size_t size) const override { return kSizeBytes + size + size / 255 + 16; }

  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (from.size() > LZ4_MAX_INPUT_SIZE) return base::InvalidArgument("lz4 takes at most 2 GiB at a time");
    const auto size = static_cast<uint32_t>(from.size());
    std::memcpy(into.data(), &size, kSizeBytes);
    const int made =
        LZ4_compress_fast(reinterpret_cast<const char*>(from.data()), reinterpret_cast<char*>(into.data()) + kSizeBytes,
                          static_cast<int>(size), static_cast<int>(into.size() - kSizeBytes), acceleration_);
    if (made <= 0) return base::Internal("lz4 output exceeds its bound");
    return kSizeBytes + static_cast<size_t>(made);
  }

  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    constexpr size_t kMax = 0x7fffffff;
    if (from.size() <= kSizeBytes || from.size() > kMax) return base::DataLoss("too short or too long for lz4");
    uint32_t size = 0;
    std::memcpy(&size, from.data(), kSizeBytes);
    if (size > into.size() || size > kMax) {
      return base::DataLoss("the lz4 block says it holds " + std::to_string(size) + " bytes (at most " +
                            std::to_string(into.size()) + " expected)");
    }
    const int made = LZ4_decompress_safe(reinterpret_cast<const char*>(from.data()) + kSizeBytes,
                                         reinterpret_cast<char*>(into.data()),
                                         static_cast<int>(from.size() - kSizeBytes), static_cast<int>(size));
    if (made != static_cast<int>(size)) return base::DataLoss("malformed lz4 block");
    return std::span<const std::byte>(into.first(size));
  }

 private:
  const int acceleration_;
};

}  // namespace

CodecMaker MakeLz4;
Result<std::unique_ptr<ByteCodec>> MakeLz4(const Json& configuration, ChunkForm& form) {
  constexpr int kFastest = 65537;
  SEAMOUNT_TRY_ASSIGN(const int acceleration, EncoderMemberOr(configuration, "acceleration", 1, 1, kFastest));
  if (form.bytes > kMaxBloscBytes) return base::InvalidArgument("takes chunks of at most 2 GiB");
  return NewCodec<Lz4Codec>(acceleration);
}

}  // namespace seamount::zarr
