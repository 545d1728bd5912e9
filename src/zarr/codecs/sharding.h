// The codec sharding_indexed: one object holds many chunks and an index of (offset, length) for each, at its start or
// end. Chunks are read by range; only the index is decoded here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/store.h"
#include "zarr/codecs/codec_config.h"
#include "zarr/codecs/codec_spec.h"

namespace seamount::zarr {

struct ShardLayout {
  uint64_t chunks = 1;
  bool index_at_start = false;
  bool big_endian = false;
  bool checksum = true;

  uint64_t index_bytes() const { return 16 * chunks + (checksum ? 4 : 0); }
};

// InvalidArgument unless a shard of `shape` is made of whole chunks, and not too many.
Result<void> CheckShardShape(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& chunk_shape);

// The shapes have passed CheckShardShape. InvalidArgument for index codecs other than bytes and crc32c.
Result<ShardLayout> ShardLayoutOf(const std::vector<uint64_t>& shape, const ShardingSpec& spec);

// One shard's index, checked against the shard's size.
class ShardIndex {
 public:
  // `encoded` has index_bytes(). DataLoss when the checksum is wrong.
  static Result<ShardIndex> Parse(const ShardLayout& layout, const Bytes& encoded, uint64_t shard_bytes,
                                  store::Generation generation);
  // chunk: its position in the shard, in C order. nullopt: absent. DataLoss when it lies outside the shard.
  Result<std::optional<store::ByteRange>> Find(uint64_t chunk) const;
  store::Generation generation() const { return generation_; }

 private:
  Bytes entries_;
  bool big_endian_ = false;
  uint64_t shard_bytes_ = 0;
  store::Generation generation_;
};

// Reads the index out of a whole shard.
Result<ShardIndex> ShardIndexOf(const ShardLayout& layout, const Bytes& shard, store::Generation generation);

// Writes the index: where each chunk lies, nullopt for absent ones. `into` has index_bytes().
void WriteShardIndex(const ShardLayout& layout, std::span<const std::optional<store::ByteRange>> chunks,
                     std::span<std::byte> into);
// Puts encoded chunks into a shard; nullopt: absent.
Bytes BuildShard(const ShardLayout& layout, std::span<const std::optional<Bytes>> chunks);

}  // namespace seamount::zarr
