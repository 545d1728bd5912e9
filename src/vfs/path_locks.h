// Who changes what in the bucket, by key: a change of one file or entry shares its key with others, a folder's rename
// has everything below its two names alone. What lies apart does not wait: neither for a long upload nor for a rename.
//
// Whoever wants a prefix alone is sure to get it: from then on nobody new is let in below it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "vfs/fault.h"

namespace seamount::vfs {

// Thread-safe; outlives its locks. A thread takes all that it needs in one call, and no second lock while it holds one.
class PathLocks {
 public:
  class Lock {
   public:
    Lock() = default;
    Lock(Lock&& other) noexcept { *this = std::move(other); }
    Lock& operator=(Lock&& other) noexcept {
      std::swap(locks_, other.locks_);
      std::swap(held_, other.held_);
      std::swap(alone_, other.alone_);
      return *this;
    }
    ~Lock();

   private:
    friend class PathLocks;
    Lock(PathLocks* locks, std::vector<std::string> held, bool alone)
        : locks_(locks), held_(std::move(held)), alone_(alone) {}
    PathLocks* locks_ = nullptr;
    std::vector<std::string> held_;
    bool alone_ = false;
  };

  // Waits until no rename has any of the keys. EINTR when stop is requested.
  Outcome<Lock> Share(std::vector<std::string> keys, const CallContext& context);
  // Waits until nobody else has anything below the prefixes. EINTR when stop is requested.
  Outcome<Lock> Alone(std::vector<std::string> prefixes, const CallContext& context);

 private:
  bool SomebodyBelow(std::string_view prefix) const;
  void Release(const std::vector<std::string>& held, bool alone);

  std::mutex mutex_;
  std::condition_variable_any freed_;
  std::multiset<std::string, std::less<>> shared_;
  std::multiset<std::string, std::less<>> alone_;
};

}  // namespace seamount::vfs
