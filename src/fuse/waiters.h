// Threads for calls that wait for the bucket: a close or fsync that uploads. The kernel's requests are read by others,
// which would all stand still if enough programs closed files at once while the server is slow.
//
// There are as many as calls that wait, up to a bound; what comes beyond it waits for its turn, and still holds up
// nobody but who closed the file. A thread that has had nothing to do for a while ends.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

#include "base/clock.h"

namespace seamount::fuse {

// Thread-safe.
class Waiters {
 public:
  Waiters(size_t most, base::Duration idle);
  ~Waiters();  // when all that was given to it is done
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;

  // The task must not throw. Begins with the earliest where not all can begin at once.
  void Run(std::function<void()> task);
  size_t threads() const;

 private:
  void Work();

  const size_t most_;
  const base::Duration idle_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> tasks_;
  size_t threads_ = 0;
  size_t waiting_ = 0;  // threads that have nothing to do
  bool closing_ = false;
};

}  // namespace seamount::fuse
