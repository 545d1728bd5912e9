// What an Array is made of; shared by array.cc (chunks) and array_region.cc (boxes).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "nd/box.h"
#include "zarr/array.h"
#include "zarr/codecs/codec_chain.h"
#include "zarr/codecs/codec_chain_shards.h"
#include "zarr/codecs/sharding.h"
#include "zarr/codecs/variable_length.h"
#include "zarr/shard_index_cache.h"

namespace seamount::zarr {

struct Array::State {
  std::shared_ptr<Store> store;
  std::string path;
  ArrayMetadata metadata;
  std::shared_ptr<const CodecChain> chain;  // null where elements are of variable length
  std::optional<VariableChain> variable;    // there
  nd::Index grid_shape;                     // chunks
  nd::Index unit_shape;                     // elements
  nd::Index unit_grid_shape;                // units
  nd::Index unit_chunks;                    // chunks in a unit
  Bytes fill;                               // one element, as it is in memory
  size_t element_bytes = 0;
  std::optional<ShardLayout> shard;
  std::optional<ShardCodec> shard_codec;  // where sharded
  std::unique_ptr<ShardIndexCache> indices;
  std::optional<nd::RectilinearGrid> rectilinear;  // of units; the grids above are then not theirs
  std::string only_key;                            // of an array that is one unit of such a grid

  // The unit that holds a chunk, and the chunk's place in it.
  nd::Index UnitOf(std::span<const uint64_t> chunk) const;
  uint64_t PlaceInUnit(std::span<const uint64_t> chunk) const;
  std::string UnitKey(std::span<const uint64_t> unit) const;
  std::optional<nd::Index> UnitFromKey(std::string_view key) const;
  Result<void> CheckChunk(std::span<const uint64_t> chunk) const;
  // Names the chunk, for messages.
  std::string Describe(std::span<const uint64_t> chunk) const;
  // arena: null where there is none, and then InvalidArgument for elements of variable length.
  Result<void> DecodeChunk(std::span<const uint64_t> chunk, const Bytes& encoded, std::span<std::byte> into,
                           StringArena* arena) const;
  Result<Bytes> EncodeUnit(std::span<const std::byte> elements) const;
  Result<Bytes> EncodeStringShard(std::span<const std::byte> elements) const;
  bool SameElements(std::span<const std::byte> a, std::span<const std::byte> b) const;
  // InvalidArgument where elements are of variable length.
  Result<void> CheckFixedSize() const;
  // InvalidArgument where chunks or shards differ in size, as `what` cannot have them.
  Result<void> CheckRegular(const char* what) const;
  // Null: no such shard.
  Result<ShardIndexCache::IndexPtr> ReadIndex(const std::string& key, const CallContext& context) const;
  Result<ShardIndexCache::IndexPtr> IndexOf(std::span<const uint64_t> unit, const CallContext& context) const;
  void DropIndex(std::span<const uint64_t> unit) const;
};

}  // namespace seamount::zarr
