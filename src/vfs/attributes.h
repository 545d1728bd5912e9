// A file's attributes and the object metadata that keeps them, under the keys other tools use.
//   gcsfuse_mtime               RFC 3339 with nanoseconds     gcsfuse
//   goog-reserved-file-mtime    seconds since 1970            gcloud storage, gsutil
//   goog-reserved-posix-mode    octal permission bits         gcloud storage --preserve-posix
//   goog-reserved-posix-uid/gid decimal                       the same
//   gcsfuse_symlink_target      where a symbolic link points  gcsfuse
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "store/store.h"

namespace seamount::vfs {

enum class Kind { kDirectory, kFile, kSymlink };

struct Attributes {
  uint64_t inode = 0;
  Kind kind = Kind::kFile;
  uint64_t size_bytes = 0;
  uint32_t permissions = 0;  // the lower twelve bits of a mode
  uint32_t uid = 0;
  uint32_t gid = 0;
  base::SystemTime mtime;
};

// What metadata can say about a file; the rest are the mount's defaults.
struct KeptAttributes {
  std::optional<base::SystemTime> mtime;
  std::optional<uint32_t> permissions;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<std::string> symlink_target;
};

using Metadata = std::map<std::string, std::string>;

// Unreadable values are as if absent: metadata is written by anybody.
KeptAttributes ParseMetadata(const Metadata& metadata);
// Sets the keys of what is present and leaves all other metadata as it is.
void PutMetadata(const KeptAttributes& kept, Metadata& metadata);

}  // namespace seamount::vfs
