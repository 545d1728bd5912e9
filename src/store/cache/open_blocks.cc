#include "store/cache/open_blocks.h"

#include <functional>
#include <utility>

namespace seamount::store {
namespace {

uint64_t HashOf(const BlockId& id) { return std::hash<std::string>()(id.object) ^ (id.index * 0x9E3779B97F4A7C15ULL); }

}  // namespace

std::shared_ptr<const StoredBlock> OpenBlocks::Find(const BlockId& id) {
  const uint64_t hash = HashOf(id);
  const std::scoped_lock lock(mutex_);
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end() || (*found->second)->id() != id) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return recent_.front();
}

void OpenBlocks::Hold(std::shared_ptr<const StoredBlock> block) {
  const uint64_t hash = HashOf(block->id());
  std::shared_ptr<const StoredBlock> pushed_out;  // closed after the lock is let go
  const std::scoped_lock lock(mutex_);
  const auto [found, inserted] = by_hash_.try_emplace(hash);
  if (!inserted) {
    pushed_out = std::exchange(*found->second, std::move(block));
    recent_.splice(recent_.begin(), recent_, found->second);
    return;
  }
  recent_.push_front(std::move(block));
  found->second = recent_.begin();
  if (recent_.size() <= kMostOpenBlocks) return;
  pushed_out = std::move(recent_.back());
  by_hash_.erase(HashOf(pushed_out->id()));
  recent_.pop_back();
}

void OpenBlocks::Drop(const BlockId& id) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_hash_.find(HashOf(id));
  if (found == by_hash_.end() || (*found->second)->id() != id) return;
  recent_.erase(found->second);
  by_hash_.erase(found);
}

void OpenBlocks::Clear() {
  List gone;
  const std::scoped_lock lock(mutex_);
  gone.swap(recent_);
  by_hash_.clear();
}

}  // namespace seamount::store
