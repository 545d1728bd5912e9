#include "zarr/shard_index_cache.h"

namespace seamount::zarr {

std::shared_ptr<ShardIndexCache::Slot> ShardIndexCache::SlotOf(uint64_t shard) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = entries_.find(shard); found != entries_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return found->second.slot;
  }
  recent_.push_front(shard);
  auto slot = std::make_shared<Slot>();
  entries_[shard] = {slot, recent_.begin()};
  if (entries_.size() > max_shards_) {
    entries_.erase(recent_.back());
    recent_.pop_back();
  }
  return slot;
}

Result<ShardIndexCache::IndexPtr> ShardIndexCache::Get(uint64_t shard, const Load& load) {
  const auto slot = SlotOf(shard);
  const std::scoped_lock lock(slot->loading);
  if (slot->index) return slot->index;
  SEAMOUNT_TRY_ASSIGN(slot->index, load());
  return slot->index;
}

void ShardIndexCache::Drop(uint64_t shard) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(shard);
  if (found == entries_.end()) return;
  recent_.erase(found->second.place);
  entries_.erase(found);
}

}  // namespace seamount::zarr
