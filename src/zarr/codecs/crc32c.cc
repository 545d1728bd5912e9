#include <cstring>

#include "base/checksum.h"
#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

constexpr size_t kChecksumBytes = 4;  // little endian, after the data

class Crc32cCodec final : public ByteCodec {
 public:
  size_t EncodedBound(size_t size) const override { return size + kChecksumBytes; }

  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (!from.empty()) std::memcpy(into.data(), from.data(), from.size());
    const uint32_t checksum = base::Crc32c(from);
    std::memcpy(into.data() + from.size(), &checksum, kChecksumBytes);
    return from.size() + kChecksumBytes;
  }

  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte>) const override {
    if (from.size() < kChecksumBytes) return base::DataLoss("shorter than its CRC32C");
    const auto data = from.first(from.size() - kChecksumBytes);
    uint32_t stored = 0;
    std::memcpy(&stored, from.data() + data.size(), kChecksumBytes);
    if (stored != base::Crc32c(data))
      return base::DataLoss("CRC32C mismatch: damaged since it was written; restore it, or make it anew");
    return data;
  }
};

}  // namespace

std::unique_ptr<ByteCodec> MakeCrc32cCodec() { return std::make_unique<Crc32cCodec>(); }

}  // namespace seamount::zarr
