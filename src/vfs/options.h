// What a mount is told, and what programs ask of it.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "vfs/attributes.h"

namespace seamount::vfs {

struct FileSystemOptions {
  std::string staging_dir;
  std::string source;  // what is mounted, as people write it: said beside what could not be uploaded
  uint64_t memory_bytes = 256 << 20;
  int threads = 64;  // for content; names and attributes have as many of their own as they need
  bool read_only = false;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t file_permissions = 0644;
  uint32_t directory_permissions = 0755;
  // How long what the store said of a name is believed by lookup and stat. open never believes it.
  base::Duration attribute_ttl = std::chrono::seconds(1);
  // From how many names on the kernel is asked to forget some that are not in use.
  size_t most_names = 100'000;
  base::Clock* clock = nullptr;  // the machine's if null
  // How long something may have been written and not uploaded, about, until it is recorded so that a kill of the mount
  // does not lose it without a word. In real time.
  base::Duration record_after = std::chrono::seconds(5);
};

struct OpenOptions {
  bool read = true;
  bool write = false;
  bool truncate = false;
  bool exclusive = false;  // of Create: the object must not exist
};

// What a program asks for when it makes a file or folder: the mode, less its umask, and who it is.
struct Ownership {
  uint32_t permissions = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

struct AttributeChange {
  std::optional<uint64_t> size_bytes;
  std::optional<uint32_t> permissions;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<base::SystemTime> mtime;
  std::optional<base::SystemTime> atime;
};

}  // namespace seamount::vfs
