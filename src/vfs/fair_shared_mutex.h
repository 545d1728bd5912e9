// A std::shared_mutex that whoever wants it alone is sure to get: glibc's own lets new sharers pass a waiting writer
// for ever, and a folder's rename would never come to its turn while others write files.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace seamount::vfs {

// To be taken by std::shared_lock and std::unique_lock. A thread that shares it must not share it a second time.
class FairSharedMutex {
 public:
  void lock() {
    std::scoped_lock turn(turn_);
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }
  void lock_shared() {
    std::scoped_lock turn(turn_);
    mutex_.lock_shared();
  }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  std::mutex turn_;  // held by the one who waits for mutex_
  std::shared_mutex mutex_;
};

}  // namespace seamount::vfs
