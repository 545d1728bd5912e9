// Bytes → bytes codecs, one file each, behind one small interface.
//
// Contract of every codec: immutable, so any number of threads may use one; contexts and scratch of the libraries below
// are kept per thread. Decode trusts nothing: it reads only within `from`, writes only within `into`, and returns
// DataLoss for input that is malformed or holds more than fits.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace seamount::zarr {

class ByteCodec {
 public:
  virtual ~ByteCodec() = default;
  // The most bytes that Encode makes of `size` bytes.
  virtual size_t EncodedBound(size_t size) const = 0;
  // `into` holds EncodedBound(from.size()); returns how much of it was written.
  virtual Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const = 0;
  // Returns where the decoded bytes lie: the beginning of `into`, or a part of `from`.
  virtual Result<std::span<const std::byte>> Decode(std::span<const std::byte> from,
                                                    std::span<std::byte> into) const = 0;
};

std::unique_ptr<ByteCodec> MakeCrc32cCodec();
std::unique_ptr<ByteCodec> MakeGzipCodec(int level);
std::unique_ptr<ByteCodec> MakeZlibCodec(int level);
std::unique_ptr<ByteCodec> MakeZstdCodec(int level, bool checksum);
// numcodecs' framing: four bytes of size, then one LZ4 block.
std::unique_ptr<ByteCodec> MakeLz4Codec(int acceleration);
// numcodecs' byte shuffle of whole buffers, as a v2 filter.
std::unique_ptr<ByteCodec> MakeShuffleCodec(size_t element_size);

enum class BloscShuffle { kNone = 0, kByte = 1, kBit = 2 };
struct BloscOptions {
  std::string compressor = "lz4";  // one of kBloscCompressors
  int level = 5;                   // 0..9
  BloscShuffle shuffle = BloscShuffle::kByte;
  size_t element_size = 4;  // 1..255
  size_t block_size = 0;    // 0: the codec's choice
};
inline constexpr const char* kBloscCompressors[] = {"blosclz", "lz4", "lz4hc", "zlib", "zstd"};
// The format counts in 32 bits.
inline constexpr size_t kMaxBloscBytes = 0x7fffffff - 16;
std::unique_ptr<ByteCodec> MakeBloscCodec(const BloscOptions& options);

}  // namespace seamount::zarr
