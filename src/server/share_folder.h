// A folder of this machine that a server shares, read-only: what may be opened in it, and what a file is at a moment.
//
// The folder is held by a descriptor, and everything is opened below it by openat2(2) with RESOLVE_BENEATH: links
// inside are followed, none leads out, whatever is renamed meanwhile. Where the kernel or a sandbox lacks the call,
// names are opened one by one and no link is followed. A file is looked at (O_PATH) before it is opened, so that a FIFO
// or a device never is. What is not served is said in the log, once for each name.
#pragma once

#include <sys/stat.h>

#include <compare>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace seamount::server {

// What is to be shared, and as which bucket.
struct SharedFolder {
  std::string bucket;
  std::string folder;
};

// Which content a file has, as far as its file system tells: two with the same identity are taken for the same. A
// change that keeps the size, within one tick of the file system's clock, is not seen; nor is a store through mmap(2)
// before it is written back.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  auto operator<=>(const FileIdentity&) const = default;
  // Opaque, positive and below 2^63, as clients read generations.
  uint64_t generation() const;
};
FileIdentity IdentityOf(const struct stat& status);

// Thread-safe.
class ShareFolder {
 public:
  struct Options {
    bool openat2 = true;  // false: as on a kernel without it
  };
  // `bucket` names the share in messages. InvalidArgument or PermissionDenied that names share and folder.
  static Result<std::unique_ptr<ShareFolder>> Open(const std::string& bucket, const std::string& path, Options options);
  static Result<std::unique_ptr<ShareFolder>> Open(const std::string& bucket, const std::string& path) {
    return Open(bucket, path, Options());
  }

  // Whether `directory`, there or to be made, lies in this folder, or this folder in it.
  bool Overlaps(const std::string& directory) const;

  struct File {
    base::Fd fd;  // O_PATH
    FileIdentity identity;
  };
  // The regular file of this object name. nullopt: there is none that is served.
  Result<std::optional<File>> Find(const std::string& name) const;
  // For reading. nullopt: it may not be read.
  Result<std::optional<base::Fd>> OpenForRead(const File& file, const std::string& name) const;
  // The folder of names that begin with `prefix`, which ends with '/' or is empty. nullopt: none that is served.
  Result<std::optional<base::Fd>> OpenFolder(const std::string& prefix) const;
  // What a link inside a folder leads to.
  enum class Kind { kFile, kFolder, kNothing };
  Result<Kind> KindOfLink(const std::string& name) const;

  // Says in the log that `name` is not served.
  void LeaveOut(const std::string& name, const std::string& why) const;
  const std::string& bucket() const { return bucket_; }

 private:
  ShareFolder(std::string bucket, std::string path, base::Fd root, Options options)
      : bucket_(std::move(bucket)), path_(std::move(path)), root_(std::move(root)), openat2_(options.openat2) {}
  int OpenBelow(const std::string& path, int flags) const;
  int OpenByNames(const std::string& path, int flags) const;
  // As OpenBelow. nullopt: nothing that is served.
  Result<std::optional<base::Fd>> TryOpen(const std::string& path, int flags) const;

  const std::string bucket_;
  const std::string path_;
  const base::Fd root_;
  const bool openat2_;
  mutable std::mutex said_mutex_;
  mutable std::set<std::string> said_;
};

}  // namespace seamount::server
