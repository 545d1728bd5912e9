// Chunks of text or bytes of variable length. In memory an element is a std::string_view into memory that an arena
// keeps, so that boxes of them are copied and transposed as other elements are. Stored (vlen-utf8, vlen-bytes): how
// many there are, and then each behind its length, in 32 bits, little endian.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/codec_spec.h"
#include "zarr/element_type.h"

namespace seamount::zarr {

// What views point into. Thread-safe.
class StringArena {
 public:
  void Keep(Bytes bytes);

 private:
  std::mutex mutex_;
  std::vector<Bytes> kept_;
};

// All elements of a chunk, before and after compressors.
inline constexpr uint64_t kMaxStringBytes = uint64_t{1} << 30;

// The codecs of one such chunk: transpose, one that turns elements into bytes, bytes → bytes. Immutable and
// thread-safe.
class VariableChain {
 public:
  // type: variable. InvalidArgument for codecs that cannot stand there, DataLoss for a malformed configuration.
  static Result<VariableChain> Make(const std::vector<CodecSpec>& specs, const ElementType& type,
                                    const std::vector<uint64_t>& chunk_shape);
  // Of the views of a whole chunk.
  size_t decoded_bytes() const { return count_ * sizeof(std::string_view); }
  // `into` holds decoded_bytes(). DataLoss for another number of elements, and for text that is no UTF-8.
  Result<void> Decode(std::span<const std::byte> encoded, std::span<std::byte> into, StringArena& arena) const;
  Result<Bytes> Encode(std::span<const std::byte> elements) const;

 private:
  Result<void> Add(const CodecSpec& spec, const ElementType& type, ChunkForm& form);
  Result<Bytes> Decompressed(std::span<const std::byte> encoded) const;

  size_t count_ = 1;
  bool text_ = false;
  std::vector<std::unique_ptr<const ByteCodec>> transpositions_;  // of views
  std::vector<std::unique_ptr<const ByteCodec>> compressors_;     // of bytes; both in the order of encoding
};

}  // namespace seamount::zarr
