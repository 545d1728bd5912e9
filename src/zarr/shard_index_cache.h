// The shard indices that were used last, so that each is read once while its chunks are being read.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/result.h"
#include "zarr/codecs/sharding.h"

namespace seamount::zarr {

// Thread-safe. Threads that ask for the same shard wait for one load.
class ShardIndexCache {
 public:
  using IndexPtr = std::shared_ptr<const ShardIndex>;
  // Null: no such shard.
  using Load = std::function<Result<IndexPtr>()>;

  explicit ShardIndexCache(size_t max_shards) : max_shards_(max_shards) {}

  // `shard` is its number. Absence and errors are not kept: the shard may be written later.
  Result<IndexPtr> Get(uint64_t shard, const Load& load);
  void Drop(uint64_t shard);

 private:
  struct Slot {
    std::mutex loading;
    IndexPtr index;
  };
  struct Entry {
    std::shared_ptr<Slot> slot;
    std::list<uint64_t>::iterator place;
  };
  std::shared_ptr<Slot> SlotOf(uint64_t shard);

  const size_t max_shards_;
  std::mutex mutex_;
  std::list<uint64_t> recent_;  // used last at the front
  std::unordered_map<uint64_t, Entry> entries_;
};

}  // namespace seamount::zarr
