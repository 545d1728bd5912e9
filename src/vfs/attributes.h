// A file's attributes and the object metadata that keeps them, under the keys other tools use.
//   gcsfuse_mtime               RFC 3339 with nanoseconds     gcsfuse
//   goog-reserved-file-mtime    seconds since 1970            gcloud storage, gsutil
//   goog-reserved-file-atime    seconds since 1970            the same
//   goog-reserved-posix-mode    octal permission bits         gcloud storage --preserve-posix
//   goog-reserved-posix-uid/gid decimal                       the same
//   gcsfuse_symlink_target      where a symbolic link points  gcsfuse
//   seamount_special            "fifo", "socket", "block 8:0", "char 1:3": no other tool keeps these
// A folder's are kept on its marker object.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "store/store.h"

namespace seamount::vfs {

enum class Kind { kDirectory, kFile, kSymlink, kFifo, kSocket, kBlockDevice, kCharacterDevice };

// What a device's number is made of.
struct Device {
  uint32_t major = 0;
  uint32_t minor = 0;
  bool operator==(const Device&) const = default;
};

struct Attributes {
  uint64_t inode = 0;
  Kind kind = Kind::kFile;
  uint32_t links = 1;
  Device device;
  uint64_t size_bytes = 0;
  uint32_t permissions = 0;  // the lower twelve bits of a mode
  uint32_t uid = 0;
  uint32_t gid = 0;
  base::SystemTime mtime;
  base::SystemTime ctime;
  base::SystemTime atime;
};

// A pipe, socket or device: the kernel does all of it but keeping the name.
struct Special {
  Kind kind = Kind::kFifo;
  Device device;
  bool operator==(const Special&) const = default;
};

// What metadata can say about a file; the rest are the mount's defaults.
struct KeptAttributes {
  std::optional<base::SystemTime> mtime;
  std::optional<base::SystemTime> atime;  // only where a program has set it: reading changes nothing
  std::optional<uint32_t> permissions;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<std::string> symlink_target;
  std::optional<Special> special;
  bool operator==(const KeptAttributes&) const = default;
};

using Metadata = std::map<std::string, std::string>;

// Unreadable values are as if absent: metadata is written by anybody.
KeptAttributes ParseMetadata(const Metadata& metadata);
// Of an object that is no folder's marker.
Kind KindOf(const KeptAttributes& kept);
// Sets the keys of what is present and leaves all other metadata as it is.
void PutMetadata(const KeptAttributes& kept, Metadata& metadata);

}  // namespace seamount::vfs
