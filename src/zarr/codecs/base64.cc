// numcodecs' base64.
#include <cstring>

#include "base/encoding.h"
#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

class Base64Codec final : public ByteCodec {
 public:
  size_t EncodedBound(size_t size) const override { return (size + 2) / 3 * 4; }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    const std::string text = base::Base64Encode(from);
    if (text.size() > into.size()) return base::Internal("base64 output exceeds its bound");
    std::memcpy(into.data(), text.data(), text.size());
    return text.size();
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    // What is cut short ends within a group, since encoders pad the last one.
    if (from.size() % 4 != 0) return base::DataLoss("base64 that is cut short");
    const auto bytes = base::Base64Decode({reinterpret_cast<const char*>(from.data()), from.size()});
    if (!bytes) return base::DataLoss("malformed base64");
    if (bytes->size() > into.size()) return base::DataLoss("base64 that holds more than the chunk");
    if (!bytes->empty()) std::memcpy(into.data(), bytes->data(), bytes->size());
    return std::span<const std::byte>(into.first(bytes->size()));
  }
};

}  // namespace

CodecMaker MakeBase64;
Result<std::unique_ptr<ByteCodec>> MakeBase64(const Json&, ChunkForm&) { return NewCodec<Base64Codec>(); }

}  // namespace seamount::zarr
