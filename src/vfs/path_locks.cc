#include "vfs/path_locks.h"

#include <algorithm>
#include <cerrno>

namespace seamount::vfs {
namespace {

Fault Interrupted() { return {EINTR, "interrupted while waiting for a change of the same folder"}; }

}  // namespace

PathLocks::Lock::~Lock() {
  if (locks_ != nullptr) locks_->Release(held_, alone_);
}

Outcome<PathLocks::Lock> PathLocks::Share(std::vector<std::string> keys, const CallContext& context) {
  std::unique_lock lock(mutex_);
  const bool free = freed_.wait(lock, context.stop, [&] {
    return std::none_of(keys.begin(), keys.end(), [&](const std::string& key) {
      return std::any_of(alone_.begin(), alone_.end(),
                         [&](const std::string& prefix) { return key.starts_with(prefix); });
    });
  });
  if (!free) return Interrupted();
  for (const std::string& key : keys) shared_.insert(key);
  return Lock(this, std::move(keys), false);
}

Outcome<PathLocks::Lock> PathLocks::Alone(std::vector<std::string> prefixes, const CallContext& context) {
  std::unique_lock lock(mutex_);
  // Two renames of which one lies within the other come one after the other.
  const bool first = freed_.wait(lock, context.stop, [&] {
    return std::none_of(prefixes.begin(), prefixes.end(), [&](const std::string& mine) {
      return std::any_of(alone_.begin(), alone_.end(),
                         [&](const std::string& other) { return mine.starts_with(other) || other.starts_with(mine); });
    });
  });
  if (!first) return Interrupted();
  for (const std::string& prefix : prefixes) alone_.insert(prefix);
  Lock held(this, prefixes, true);
  const bool free = freed_.wait(lock, context.stop, [&] {
    return std::none_of(prefixes.begin(), prefixes.end(), [&](const std::string& p) { return SomebodyBelow(p); });
  });
  lock.unlock();  // `held` locks when it is given up
  if (!free) return Interrupted();
  return held;
}

bool PathLocks::SomebodyBelow(std::string_view prefix) const {
  const auto it = shared_.lower_bound(prefix);
  return it != shared_.end() && it->starts_with(prefix);
}

void PathLocks::Release(const std::vector<std::string>& held, bool alone) {
  {
    std::scoped_lock lock(mutex_);
    auto& from = alone ? alone_ : shared_;
    for (const std::string& key : held) from.erase(from.find(key));
  }
  freed_.notify_all();
}

}  // namespace seamount::vfs
