// Where bytes wait that were written and are not yet in the bucket.
#pragma once

#include <string>
#include <string_view>

#include "vfs/fault.h"

namespace seamount::vfs {

// Owns a file descriptor.
class StagingFd {
 public:
  StagingFd() = default;
  explicit StagingFd(int fd) : fd_(fd) {}
  StagingFd(StagingFd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  StagingFd& operator=(StagingFd&& other) noexcept;
  ~StagingFd();
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// A folder of nameless files: what is staged takes no name, so that nothing is left behind by a crash. Only what could
// not be uploaded is given one, below "kept". Thread-safe.
class StagingFolder {
 public:
  explicit StagingFolder(std::string path) : path_(std::move(path)) {}
  // Makes the folder (mode 0700, since it holds file contents) and tries it out.
  Outcome<void> Prepare();
  Outcome<StagingFd> Create();
  // Names the file after the object it was meant for and answers its path.
  Outcome<std::string> Keep(const StagingFd& file, std::string_view key);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace seamount::vfs
