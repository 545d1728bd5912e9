// Has the kernel forget names, so that a walk through millions of files does not stay in this process's memory: every
// name that the kernel knows is an inode here, and the kernel gives them up only when it lacks memory itself.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "vfs/file_system.h"

struct fuse_session;

namespace seamount::fuse {

// Thread-safe.
class Forgetter {
 public:
  Forgetter(vfs::FileSystem& file_system, fuse_session* session);
  ~Forgetter();
  Forgetter(const Forgetter&) = delete;
  Forgetter& operator=(const Forgetter&) = delete;

  // Ends the work. Before the threads that serve end: the kernel waits for them where a folder is being changed.
  void Stop();
  // To be called after the kernel was told a name; does nothing while there are few.
  void Notice() {
    if (!file_system_.HasSurplusNames()) return;
    const std::scoped_lock lock(mutex_);  // or it may be about to sleep
    wake_.notify_one();
  }

 private:
  void Run(const std::stop_token& stop);

  vfs::FileSystem& file_system_;
  fuse_session* const session_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last
};

}  // namespace seamount::fuse
