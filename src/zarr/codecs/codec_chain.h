// The codecs of one chunk in sequence: array → array (transpose), array → bytes (bytes, with its byte order), bytes →
// bytes. sharding_indexed may stand in the place of bytes. Decoding knows every stage's largest honest size beforehand;
// the last stage to run writes straight into the destination when the element order is native.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "nd/data_type.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/codec_spec.h"

namespace seamount::zarr {

class ShardCodec;

// Immutable and thread-safe.
class CodecChain {
 public:
  // InvalidArgument for an unknown codec, DataLoss for a malformed configuration; both name the codec.
  // fill: one element, for chunks that are absent from a shard within.
  static Result<CodecChain> Make(const std::vector<CodecSpec>& specs, nd::DataType type,
                                 const std::vector<uint64_t>& chunk_shape, const Bytes& fill);
  CodecChain();
  CodecChain(CodecChain&&) noexcept;
  CodecChain& operator=(CodecChain&&) noexcept;
  ~CodecChain();

  size_t decoded_bytes() const { return decoded_bytes_; }
  // The most bytes that a chunk can be encoded to.
  size_t encoded_bound() const;
  // Decodes to exactly into.size() == decoded_bytes(), DataLoss otherwise.
  Result<void> Decode(std::span<const std::byte> encoded, std::span<std::byte> into) const;
  Result<Bytes> Encode(std::span<const std::byte> elements) const;

 private:
  Result<void> Add(const CodecSpec& spec, nd::DataType type, const Bytes& fill);
  Result<void> AddBytes(const std::string& configuration);
  Result<void> AddTranspose(const std::string& configuration);
  Result<void> AddShards(const std::string& configuration, nd::DataType type, const Bytes& fill);
  size_t serialized_bound() const;
  Result<void> Deserialize(std::span<const std::byte> encoded, std::span<std::byte> into) const;
  Result<std::span<const std::byte>> DecodeStages(std::span<const std::byte> encoded, std::span<std::byte> into) const;
  Result<Bytes> EncodeStages(std::span<const std::byte> stored) const;
  void CopyOrdered(std::span<const std::byte> from, std::span<std::byte> into, bool encode) const;

  std::vector<uint64_t> shape_;
  size_t element_size_ = 0;
  size_t word_size_ = 0;
  size_t decoded_bytes_ = 0;
  std::vector<size_t> order_;  // stored dimension i is the array's order_[i]; empty: as it is
  bool swap_ = false;
  bool has_bytes_ = false;
  std::unique_ptr<const ShardCodec> shards_;        // instead of plain bytes
  std::vector<std::unique_ptr<ByteCodec>> stages_;  // in the order of encoding
  std::vector<size_t> decoded_bounds_;              // the most that stage i may decode to
};

// The specs with "bytes" put in where it was left out.
std::vector<CodecSpec> WithBytesCodec(const std::vector<CodecSpec>& specs, nd::DataType type);

}  // namespace seamount::zarr
