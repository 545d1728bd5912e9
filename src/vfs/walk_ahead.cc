#include "vfs/walk_ahead.h"

#include <algorithm>

namespace seamount::vfs {
namespace {

// Files opened soon after each other that make a walk: fewer are a program that looks at a configuration.
constexpr uint32_t kWalk = 3;
constexpr size_t kFirstAhead = 4;
constexpr size_t kMostAhead = 64;
// An import opens what a folder has in no order.
constexpr size_t kFirstAheadInAWalk = 16;
// Files of use in a row from which on all of the mount is being walked.
constexpr uint32_t kManyOfUse = 8;

}  // namespace

void WalkHistory::WasOfUse() {
  std::scoped_lock lock(mutex_);
  const auto now = clock_.Now();
  of_use_ = SoonAfter(last_, now, ttl_) ? of_use_ + 1 : 1;
  last_ = now;
}

bool WalkHistory::Walking() const {
  std::scoped_lock lock(mutex_);
  return of_use_ >= kManyOfUse && SoonAfter(last_, clock_.Now(), ttl_);
}

WalkAhead::WalkAhead(Fetcher& fetcher, WalkHistory& history)
    : fetcher_(fetcher),
      history_(history),
      clock_(history.clock()),
      ttl_(history.ttl()),
      depth_(history.Walking() ? kFirstAheadInAWalk : kFirstAhead) {}

size_t WalkAhead::Wanted() {
  const bool walking_elsewhere = history_.Walking();
  std::scoped_lock lock(mutex_);
  opened_ = LongAgo(opened_at_) ? 1 : opened_ + 1;
  opened_at_ = clock_.Now();
  if (opened_ < kWalk && !walking_elsewhere) return 0;
  DropOld();
  return depth_ > items_.size() ? depth_ - items_.size() : 0;
}

bool WalkAhead::Walking() const {
  if (history_.Walking()) return true;
  std::scoped_lock lock(mutex_);
  return opened_ >= kWalk && !LongAgo(opened_at_);
}

void WalkAhead::DropOld() {
  const auto now = clock_.Now();
  std::erase_if(items_, [&](const auto& entry) {
    const Item& item = *entry.second;
    if (!item.done || now - item.asked < ttl_) return false;
    if (item.data) fetcher_.stats().ahead_unused_bytes += item.data->size();
    depth_ = std::max(kFirstAhead, depth_ / 2);
    return true;
  });
}

void WalkAhead::Opened(const std::vector<DirectoryEntry>& candidates) {
  for (const DirectoryEntry& entry : candidates) {
    auto item = std::make_shared<Item>();
    item->lease = fetcher_.budget().TryAcquire(entry.info().size_bytes);
    if (item->lease.bytes() == 0) return;
    item->generation = entry.info().generation;
    item->asked = clock_.Now();
    {
      std::scoped_lock lock(mutex_);
      if (!items_.emplace(entry.name, item).second) continue;
    }
    fetcher_.pool().Run([self = shared_from_this(), told = entry.told, item] { self->Fetch(*told, item); });
  }
}

void WalkAhead::Fetch(const store::ObjectInfo& info, const std::shared_ptr<Item>& item) {
  auto read = fetcher_.store().Read(info.key, {.if_generation = info.generation}, {});
  ++fetcher_.stats().fetches;
  std::scoped_lock lock(mutex_);
  item->done = true;
  if (read && *read && (*read)->data.size() == info.size_bytes) {
    item->data = std::move((*read)->data);
    fetcher_.stats().fetched_bytes += item->data->size();
  }
  arrived_.notify_all();
}

std::optional<Bytes> WalkAhead::Take(const std::string& name, const store::Generation& generation,
                                     const CallContext& context) {
  std::unique_lock lock(mutex_);
  const auto it = items_.find(name);
  if (it == items_.end()) return std::nullopt;
  const std::shared_ptr<Item> item = it->second;
  items_.erase(it);
  if (!arrived_.wait(lock, context.stop, [&] { return item->done; })) return std::nullopt;
  item->lease.Release();
  const bool counts = item->data && item->generation == generation && clock_.Now() - item->asked < ttl_;
  if (!counts) return std::nullopt;
  history_.WasOfUse();
  depth_ = std::min(2 * depth_, kMostAhead);
  return std::move(item->data);
}

}  // namespace seamount::vfs
