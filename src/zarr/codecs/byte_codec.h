// One step of a chunk's encoding. Whatever it is in the words of Zarr (array → array, array → bytes, bytes → bytes),
// here it turns a buffer into a buffer; only its maker looks at what the elements are.
//
// A new codec is one file with its class and its maker, one line in the table of codec_table.cc, one test.
//
// Contract of every codec: immutable, so any number of threads may use one; contexts and scratch of the libraries below
// are kept per thread. Decode trusts nothing: it reads only within `from`, writes only within `into`, and returns
// DataLoss for input that is malformed or holds more than fits.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "zarr/codecs/json.h"
#include "zarr/element_type.h"

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

// What a codec is given to encode.
struct ChunkForm {
  ElementType type;
  std::vector<uint64_t> shape;
  Bytes fill;               // one element
  size_t bytes = 0;         // of all elements; the most that there can be, once they became bytes
  bool exact = true;        // whether that is the size of every chunk
  bool encoded = false;     // elements became bytes
  bool big_endian = false;  // in this order
};
// Makes a codec for `form`, and turns `form` into what comes out of it where more changes than the number of bytes.
// Null where nothing is to be done. InvalidArgument for what is not supported, DataLoss for a malformed configuration.
using CodecMaker = Result<std::unique_ptr<ByteCodec>>(const Json& configuration, ChunkForm& form);

template <class Codec, class... Arguments>
Result<std::unique_ptr<ByteCodec>> NewCodec(Arguments&&... arguments) {
  return std::unique_ptr<ByteCodec>(std::make_unique<Codec>(std::forward<Arguments>(arguments)...));
}

enum class BloscShuffle { kNone = 0, kByte = 1, kBit = 2 };
struct BloscOptions {
  std::string compressor = "lz4";  // one of kBloscCompressors
  int level = 5;                   // 0..9
  BloscShuffle shuffle = BloscShuffle::kByte;
  size_t element_size = 4;  // 1..255
  size_t block_size = 0;    // 0: the codec's choice
};
inline constexpr const char* kBloscCompressors[] = {"blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"};
// The format counts in 32 bits.
inline constexpr size_t kMaxBloscBytes = 0x7fffffff - 16;
std::unique_ptr<ByteCodec> MakeBloscCodec(const BloscOptions& options);

}  // namespace seamount::zarr
