#include "zarr/codecs/sharding.h"

#include <cstring>
#include <limits>
#include <string>

#include "base/checksum.h"

namespace seamount::zarr {
namespace {

constexpr uint64_t kAbsentEntry = std::numeric_limits<uint64_t>::max();  // as offset and as length
constexpr size_t kEntryBytes = 16;

uint64_t LoadWord(const std::byte* from, bool big_endian) {
  uint64_t word = 0;
  std::memcpy(&word, from, sizeof(word));
  return big_endian ? __builtin_bswap64(word) : word;
}

void StoreWord(std::byte* into, uint64_t word, bool big_endian) {
  if (big_endian) word = __builtin_bswap64(word);
  std::memcpy(into, &word, sizeof(word));
}

}  // namespace

Result<void> CheckShardShape(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& chunk_shape) {
  if (shape.size() != chunk_shape.size()) {
    return base::InvalidArgument("the shard shape has another rank than the chunk shape");
  }
  uint64_t chunks = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    const uint64_t chunk = chunk_shape[d];
    if (chunk == 0 || shape[d] == 0 || shape[d] % chunk != 0) {
      return base::InvalidArgument("the shard shape is not a multiple of the chunk shape in dimension " +
                                   std::to_string(d));
    }
    if (shape[d] / chunk > kMaxChunksPerShard / chunks) {
      return base::InvalidArgument("more than " + std::to_string(kMaxChunksPerShard) + " chunks in a shard");
    }
    chunks *= shape[d] / chunk;
  }
  return {};
}

Result<ShardLayout> ShardLayoutOf(const std::vector<uint64_t>& shape, const ShardingSpec& spec) {
  ShardLayout layout;
  layout.index_at_start = spec.index_at_start;
  for (size_t d = 0; d < shape.size(); ++d) layout.chunks *= shape[d] / spec.chunk_shape[d];
  const auto& codecs = spec.index_codecs;
  if (codecs.empty()) return layout;
  layout.checksum = codecs.size() == 2 && codecs[1].name == "crc32c";
  if (codecs[0].name != "bytes" || codecs.size() > 2 || (codecs.size() == 2 && !layout.checksum)) {
    return base::InvalidArgument("\"index_codecs\" other than bytes and crc32c are not supported");
  }
  SEAMOUNT_TRY_ASSIGN(layout.big_endian, ParseBytesConfiguration(codecs[0].configuration_json));
  return layout;
}

Result<ShardIndex> ShardIndex::Parse(const ShardLayout& layout, const Bytes& encoded, uint64_t shard_bytes,
                                     store::Generation generation) {
  if (encoded.size() != layout.index_bytes()) {
    return base::DataLoss("the shard's index has " + std::to_string(encoded.size()) + " bytes (" +
                          std::to_string(layout.index_bytes()) + " expected)");
  }
  ShardIndex index;
  index.entries_ = encoded.Slice(0, kEntryBytes * layout.chunks);
  index.big_endian_ = layout.big_endian;
  index.shard_bytes_ = shard_bytes;
  index.generation_ = std::move(generation);
  if (layout.checksum) {
    uint32_t stored = 0;
    std::memcpy(&stored, encoded.data() + index.entries_.size(), sizeof(stored));
    if (stored != base::Crc32c(index.entries_.span()))
      return base::DataLoss("the shard's index: CRC32C mismatch: damaged since it was written");
  }
  return index;
}

Result<std::optional<store::ByteRange>> ShardIndex::Find(uint64_t chunk) const {
  const std::byte* entry = entries_.data() + kEntryBytes * chunk;
  const uint64_t offset = LoadWord(entry, big_endian_);
  const uint64_t length = LoadWord(entry + sizeof(uint64_t), big_endian_);
  if (offset == kAbsentEntry && length == kAbsentEntry) return std::optional<store::ByteRange>();
  if (offset > shard_bytes_ || length > shard_bytes_ - offset) {
    return base::DataLoss("the shard's index puts its chunk " + std::to_string(chunk) + " at " +
                          std::to_string(offset) + ", " + std::to_string(length) +
                          " bytes long, outside the shard of " + std::to_string(shard_bytes_) + " bytes");
  }
  return std::optional<store::ByteRange>({offset, length});
}

Result<ShardIndex> ShardIndexOf(const ShardLayout& layout, const Bytes& shard, store::Generation generation) {
  if (shard.size() < layout.index_bytes()) {
    return base::DataLoss("the shard of " + std::to_string(shard.size()) + " bytes is shorter than its index");
  }
  const size_t offset = layout.index_at_start ? 0 : shard.size() - layout.index_bytes();
  return ShardIndex::Parse(layout, shard.Slice(offset, layout.index_bytes()), shard.size(), generation);
}

void WriteShardIndex(const ShardLayout& layout, std::span<const std::optional<store::ByteRange>> chunks,
                     std::span<std::byte> into) {
  for (size_t i = 0; i < chunks.size(); ++i) {
    std::byte* const entry = into.data() + kEntryBytes * i;
    StoreWord(entry, chunks[i] ? chunks[i]->offset : kAbsentEntry, layout.big_endian);
    StoreWord(entry + sizeof(uint64_t), chunks[i] ? *chunks[i]->length : kAbsentEntry, layout.big_endian);
  }
  if (!layout.checksum) return;
  const uint32_t checksum = base::Crc32c(into.first(kEntryBytes * chunks.size()));
  std::memcpy(into.data() + kEntryBytes * chunks.size(), &checksum, sizeof(checksum));
}

Bytes BuildShard(const ShardLayout& layout, std::span<const std::optional<Bytes>> chunks) {
  size_t total = layout.index_bytes();
  for (const auto& chunk : chunks) total += chunk ? chunk->size() : 0;
  Buffer shard(total);
  size_t end = layout.index_at_start ? layout.index_bytes() : 0;
  std::vector<std::optional<store::ByteRange>> places;
  places.reserve(chunks.size());
  for (const auto& chunk : chunks) {
    places.emplace_back();
    if (!chunk) continue;
    if (!chunk->empty()) std::memcpy(shard.data() + end, chunk->data(), chunk->size());
    places.back() = {end, chunk->size()};
    end += chunk->size();
  }
  const size_t index = layout.index_at_start ? 0 : total - layout.index_bytes();
  WriteShardIndex(layout, places, shard.span().subspan(index, layout.index_bytes()));
  return shard;
}

}  // namespace seamount::zarr
