// What the operations need besides the request: the file system, and how long the kernel may believe an answer.
#pragma once

#include "vfs/file_system.h"

namespace seamount::fuse {

struct OperationsContext {
  vfs::FileSystem* file_system = nullptr;
  double ttl_seconds = 1.0;
};

}  // namespace seamount::fuse
