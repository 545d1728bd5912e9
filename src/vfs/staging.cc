#include "vfs/staging.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

namespace seamount::vfs {

Outcome<void> StagingFolder::Prepare() {
  SEAMOUNT_TRY_ASSIGN(folder_, OpenPrivateFolder(path_));
  SEAMOUNT_TRY(Create());
  return {};
}

Outcome<base::Fd> StagingFolder::Create() {
  int fd = openat(folder_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {  // no O_TMPFILE on this file system
    std::string name = "/proc/self/fd/" + std::to_string(folder_.get()) + "/staged-XXXXXX";
    fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) unlink(name.c_str());
  }
  if (fd < 0) return FromErrno(errno, "staging in '" + path_ + "'");
  return base::Fd(fd);
}

uint64_t StagingFolder::Room() const {
  struct statvfs disk = {};
  if (fstatvfs(folder_.get(), &disk) != 0) return 0;
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

Outcome<void> StagingFolder::CheckRoom(uint64_t bytes) const {
  const uint64_t room = Room();
  if (bytes <= room) return {};
  return Fault{ENOSPC, "the file would need " + std::to_string(bytes) + " bytes more in the staging folder '" + path_ +
                           "', whose disk has room for " + std::to_string(room)};
}

Outcome<base::Fd> StagingFolder::Below(const std::string& name) const {
  const std::string what = "folder '" + path_ + "/" + name + "'";
  if (mkdirat(folder_.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return FromErrno(errno, "making " + what);
  base::Fd below(openat(folder_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!below) return FromErrno(errno, "opening " + what);
  return below;
}

Outcome<std::string> StagingFolder::Keep(const base::Fd& file, const StagedRecord& record) {
  SEAMOUNT_TRY_ASSIGN(const base::Fd kept, Below(kKept));
  for (int attempt = 0;; ++attempt) {
    const std::string name =
        LocalName(record.key) + "." + std::to_string(std::time(nullptr)) + "." + std::to_string(attempt);
    // The record first, and on the disk: content without it could be anybody's.
    const auto note = WriteRecord(kept, name, record);
    if (!note && note.error().error == EEXIST) continue;
    if (!note) return note.error();
    if (fsync(note->get()) != 0) return FromErrno(errno, "writing the record of '" + name + "'");
    const auto copy = GiveName(file, kept, name);
    if (!copy && copy.error().error == EEXIST) continue;
    if (!copy) return copy.error();
    (void)fsync(*copy ? (*copy)->get() : file.get());
    return path_ + "/" + kKept + "/" + name;
  }
}

}  // namespace seamount::vfs
