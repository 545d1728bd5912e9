// The folder that a mount covers: looking at it, attaching the kernel's side, taking it off.
//
// As root this needs nothing but /dev/fuse and mount(2). Otherwise libfuse asks fusermount3, if it is installed.
#pragma once

#include <string>

#include "base/result.h"

struct fuse_session;

namespace seamount::fuse {

struct MountPointOptions {
  std::string source;  // what `mount` and `df` show: gs://bucket/prefix
  bool read_only = false;
  bool allow_other = false;
  bool nonempty = false;  // mount over a folder that holds something
};

// The folder's real path, if a mount may be put there. Says what is in the way otherwise: missing, not a folder, not
// empty, mounted already, no /dev/fuse, no right to mount. A mount there whose process is dead is taken off.
Result<std::string> CheckMountPoint(const std::string& directory, const MountPointOptions& options);

// Mounts on a checked path and gives the session its end.
Result<void> Attach(fuse_session* session, const std::string& path, const MountPointOptions& options);

// PreconditionFailed when something below is in use; with lazy it disappears from the tree at once and ends when the
// last user is gone.
Result<void> Detach(const std::string& path, bool lazy);

// The real path of a folder, also of one that is a dead mount and cannot be looked into. As given if it leads nowhere.
std::string RealPathOf(const std::string& path);

// Whether the path is a Seamount mount (alive or dead).
bool IsMounted(const std::string& path);

// Lets the kernel ask for 1 MiB at a time instead of 128 KiB. Best effort: needs root and /sys.
void RaiseReadAhead(const std::string& path);

}  // namespace seamount::fuse
