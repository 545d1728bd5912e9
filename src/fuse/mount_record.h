// A small file per mount, locked by the mount's process as long as that lives. Whoever waits for the lock waits for the
// end of the process, uploads included, and then reads how it ended. A process that was killed frees its lock.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace seamount::fuse {

// Held by the mount's process.
class MountRecord {
 public:
  // path: the mount point's real path. PermissionDenied where the records' folder, or what lies under the record's
  // name, is not ours alone.
  static Result<std::unique_ptr<MountRecord>> Create(const std::string& path);
  ~MountRecord();  // removes the file, unless Fail was called
  MountRecord(const MountRecord&) = delete;
  MountRecord& operator=(const MountRecord&) = delete;
  // Leaves a message for whoever waits.
  void Fail(const std::string& message);

 private:
  MountRecord(base::Fd folder, base::Fd fd, std::string name)
      : folder_(std::move(folder)), fd_(std::move(fd)), name_(std::move(name)) {}
  base::Fd folder_, fd_;
  std::string name_;
  bool failed_ = false;
};

// Waits for the mount's process to end. Its message, if it left one; nothing if there is no such process.
std::optional<std::string> WaitForMountEnd(const std::string& path);

}  // namespace seamount::fuse
