// sharding_indexed as one step between elements and bytes: a box of elements is cut into chunks, each is encoded by a
// chain of its own, and all become one object with an index. What an array's shards are written with; read whole, also
// the codec of shards within shards, and of shards that other codecs surround.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "zarr/codecs/codec_chain.h"
#include "zarr/codecs/codec_spec.h"
#include "zarr/codecs/sharding.h"

namespace seamount::zarr {

// Immutable and thread-safe.
class ShardCodec {
 public:
  // shape: of the shard, a multiple of chunk_shape.
  ShardCodec(ShardLayout layout, std::vector<uint64_t> shape, std::vector<uint64_t> chunk_shape,
             std::shared_ptr<const CodecChain> chain, Bytes fill);
  // From the codec's configuration.
  static Result<ShardCodec> Make(const std::string& configuration_json, const ElementType& type,
                                 const std::vector<uint64_t>& shape, const Bytes& fill);

  size_t encoded_bound() const;
  // `elements` and `into`: dense, of the whole shard. Chunks that hold nothing but the fill value are left out.
  Result<Bytes> Encode(std::span<const std::byte> elements) const;
  // Into memory that holds encoded_bound(); how much of it was written.
  Result<size_t> EncodeInto(std::span<const std::byte> elements, std::span<std::byte> into) const;
  // DataLoss names the chunk by its place. `encoded` is only looked at during the call.
  Result<void> Decode(std::span<const std::byte> encoded, std::span<std::byte> into) const;

 private:
  std::vector<uint64_t> grid_;  // chunks in the shard
  ShardLayout layout_;
  std::vector<uint64_t> shape_;
  std::vector<uint64_t> chunk_shape_;
  std::shared_ptr<const CodecChain> chain_;
  Bytes fill_;  // one element
};

}  // namespace seamount::zarr
