// What the operations need besides the request: the file system, how long the kernel may believe an answer, what ends
// calls that nobody waits for any more, and threads for those that wait long.
#pragma once

#include "fuse/forgetter.h"
#include "fuse/interrupts.h"
#include "fuse/waiters.h"
#include "vfs/file_system.h"

struct fuse_session;

namespace seamount::fuse {

struct OperationsContext {
  vfs::FileSystem* file_system = nullptr;
  double ttl_seconds = 1.0;
  Interrupts* interrupts = nullptr;
  Waiters* waiters = nullptr;
  fuse_session* session = nullptr;  // the one that serves
  Forgetter* forgetter = nullptr;
};

}  // namespace seamount::fuse
