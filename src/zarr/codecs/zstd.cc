#include "zarr/codecs/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <memory>
#include <string>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// A thread's compression context, set up anew only when the level or checksum differ from the call before.
struct Compressor {
  std::unique_ptr<ZSTD_CCtx, FreeContext> context{ZSTD_createCCtx()};
  int level = 0;
  bool checksum = false;
  bool set = false;
};

class ZstdCodec final : public ByteCodec {
 public:
  ZstdCodec(int level, bool checksum) : level_(level), checksum_(checksum) {}

  size_t EncodedBound(size_t size) const override { return ZstdBound(size); }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    return ZstdCompress(level_, checksum_, from, into);
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t size, ZstdDecompress(from, into));
    return std::span<const std::byte>(into.first(size));
  }

 private:
  const int level_;
  const bool checksum_;
};

}  // namespace

size_t ZstdBound(size_t size) { return ZSTD_compressBound(size); }

Result<size_t> ZstdCompress(int level, bool checksum, std::span<const std::byte> from, std::span<std::byte> into) {
  thread_local Compressor compressor;
  ZSTD_CCtx* context = compressor.context.get();
  if (context == nullptr) return base::ResourceExhausted("no memory for a zstd encoder");
  if (!compressor.set || compressor.level != level || compressor.checksum != checksum) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum ? 1 : 0);
    compressor.level = level;
    compressor.checksum = checksum;
    compressor.set = true;
  }
  const size_t size = ZSTD_compress2(context, into.data(), into.size(), from.data(), from.size());
  if (!ZSTD_isError(size)) return size;
  if (ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall) return size_t{0};
  return base::ResourceExhausted(std::string("zstd: ") + ZSTD_getErrorName(size));
}

Result<size_t> ZstdDecompress(std::span<const std::byte> from, std::span<std::byte> into) {
  thread_local std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (!context) return base::ResourceExhausted("no memory for a zstd decoder");
  const size_t size = ZSTD_decompressDCtx(context.get(), into.data(), into.size(), from.data(), from.size());
  if (!ZSTD_isError(size)) return size;
  if (ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall) {
    return base::DataLoss("the zstd frame holds more than the expected " + std::to_string(into.size()) + " bytes");
  }
  return base::DataLoss(std::string("zstd: ") + ZSTD_getErrorName(size));
}

CodecMaker MakeZstd;
Result<std::unique_ptr<ByteCodec>> MakeZstd(const Json& configuration, ChunkForm&) {
  constexpr int kLowest = -131072;
  constexpr int kHighest = 22;
  SEAMOUNT_TRY_ASSIGN(const int level, EncoderMemberOr(configuration, "level", 0, kLowest, kHighest));
  SEAMOUNT_TRY_ASSIGN(const bool checksum, BoolMemberOr(configuration, "checksum", false));
  return NewCodec<ZstdCodec>(level, checksum);
}

}  // namespace seamount::zarr
