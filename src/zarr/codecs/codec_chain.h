// The codecs of one chunk in sequence: array → array, array → bytes, bytes → bytes; codec_table.h has them all.
// Decoding knows every stage's largest honest size beforehand; the last stage to run writes straight into the
// destination.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/codec_spec.h"
#include "zarr/element_type.h"

namespace seamount::zarr {

// Immutable and thread-safe.
class CodecChain {
 public:
  // InvalidArgument for an unknown codec, DataLoss for a malformed configuration; both name the codec.
  // fill: one element, for chunks that are absent from a shard within.
  static Result<CodecChain> Make(const std::vector<CodecSpec>& specs, const ElementType& type,
                                 const std::vector<uint64_t>& chunk_shape, const Bytes& fill);
  size_t decoded_bytes() const { return decoded_bytes_; }
  // The most bytes that a chunk can be encoded to.
  size_t encoded_bound() const { return encoded_bound_; }
  // Decodes to exactly into.size() == decoded_bytes(), DataLoss otherwise.
  Result<void> Decode(std::span<const std::byte> encoded, std::span<std::byte> into) const;
  Result<Bytes> Encode(std::span<const std::byte> elements) const;
  // Into memory that holds encoded_bound(); how much of it was written.
  Result<size_t> EncodeInto(std::span<const std::byte> elements, std::span<std::byte> into) const;
  // Whether chunks are stored as they are in memory.
  bool stores_as_is() const { return stages_.empty(); }

 private:
  struct Stage {
    std::unique_ptr<const ByteCodec> codec;
    size_t decoded_bound;  // the most that it may decode to
    bool exact;            // whether it must be that much
  };
  Result<void> Add(const CodecSpec& spec, ChunkForm& form);

  size_t decoded_bytes_ = 0;
  size_t encoded_bound_ = 0;
  std::vector<Stage> stages_;  // in the order of encoding
};

// The specs with "bytes" put in where it was left out.
std::vector<CodecSpec> WithBytesCodec(const std::vector<CodecSpec>& specs, const ElementType& type);

}  // namespace seamount::zarr
