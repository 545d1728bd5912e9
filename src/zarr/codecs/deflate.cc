#include "zarr/codecs/deflate.h"

#include <libdeflate.h>

#include <array>
#include <memory>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

struct FreeCompressor {
  void operator()(libdeflate_compressor* compressor) const { libdeflate_free_compressor(compressor); }
};
struct FreeDecompressor {
  void operator()(libdeflate_decompressor* decompressor) const { libdeflate_free_decompressor(decompressor); }
};

constexpr int kMaxLevel = 9;  // as zlib counts

libdeflate_compressor* ThreadCompressor(int level) {
  thread_local std::array<std::unique_ptr<libdeflate_compressor, FreeCompressor>, kMaxLevel + 1> compressors;
  auto& compressor = compressors[static_cast<size_t>(level)];
  if (!compressor) compressor.reset(libdeflate_alloc_compressor(level));
  return compressor.get();
}

libdeflate_decompressor* ThreadDecompressor() {
  thread_local std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(libdeflate_alloc_decompressor());
  return decompressor.get();
}

class DeflateCodec final : public ByteCodec {
 public:
  DeflateCodec(DeflateFormat format, int level) : format_(format), level_(level) {}

  size_t EncodedBound(size_t size) const override { return DeflateBound(format_, size); }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    return Deflate(format_, level_, from, into);
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t size, Inflate(format_, from, into));
    return std::span<const std::byte>(into.first(size));
  }

 private:
  const DeflateFormat format_;
  const int level_;
};

Result<int> LevelOr(const Json& configuration, int fallback) {
  SEAMOUNT_TRY_ASSIGN(const int level, EncoderMemberOr(configuration, "level", fallback, -1, 9));
  constexpr int kZlibsDefault = 6;
  return level < 0 ? kZlibsDefault : level;
}

}  // namespace

Result<size_t> Inflate(DeflateFormat format, std::span<const std::byte> from, std::span<std::byte> into) {
  libdeflate_decompressor* decompressor = ThreadDecompressor();
  if (decompressor == nullptr) return base::ResourceExhausted("no memory for a deflate decoder");
  const auto decompress =
      format == DeflateFormat::kGzip ? libdeflate_gzip_decompress_ex : libdeflate_zlib_decompress_ex;
  size_t done = 0;
  do {
    size_t consumed = 0;
    size_t made = 0;
    const auto result =
        decompress(decompressor, from.data(), from.size(), into.data() + done, into.size() - done, &consumed, &made);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
      return base::DataLoss("the deflate stream holds more than the expected " + std::to_string(into.size()) +
                            " bytes");
    }
    if (result != LIBDEFLATE_SUCCESS) return base::DataLoss("malformed or truncated deflate stream");
    done += made;
    from = from.subspan(consumed);
  } while (!from.empty() && format == DeflateFormat::kGzip);
  if (!from.empty()) return base::DataLoss(std::to_string(from.size()) + " bytes after the end of the deflate stream");
  return done;
}

size_t DeflateBound(DeflateFormat format, size_t size) {
  return format == DeflateFormat::kGzip ? libdeflate_gzip_compress_bound(nullptr, size)
                                        : libdeflate_zlib_compress_bound(nullptr, size);
}

Result<size_t> Deflate(DeflateFormat format, int level, std::span<const std::byte> from, std::span<std::byte> into) {
  libdeflate_compressor* compressor = ThreadCompressor(level);
  if (compressor == nullptr) return base::ResourceExhausted("no memory for a deflate encoder");
  const auto compress = format == DeflateFormat::kGzip ? libdeflate_gzip_compress : libdeflate_zlib_compress;
  const size_t size = compress(compressor, from.data(), from.size(), into.data(), into.size());
  if (size == 0) return base::Internal("deflate output exceeds its bound");
  return size;
}

CodecMaker MakeGzip, MakeZlib;
Result<std::unique_ptr<ByteCodec>> MakeGzip(const Json& configuration, ChunkForm&) {
  SEAMOUNT_TRY_ASSIGN(const int level, LevelOr(configuration, 5));
  return NewCodec<DeflateCodec>(DeflateFormat::kGzip, level);
}
Result<std::unique_ptr<ByteCodec>> MakeZlib(const Json& configuration, ChunkForm&) {
  SEAMOUNT_TRY_ASSIGN(const int level, LevelOr(configuration, 1));
  return NewCodec<DeflateCodec>(DeflateFormat::kZlib, level);
}

}  // namespace seamount::zarr
