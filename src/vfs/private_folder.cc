#include "vfs/private_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace seamount::vfs {
namespace {

Fault NotOurs(const std::string& what, const std::string& why) {
  return {EPERM, what + " " + why +
                     ", and is not used: remove it, or choose another folder (--staging-dir; $XDG_RUNTIME_DIR where "
                     "records of mounts are kept)"};
}

}  // namespace

Outcome<base::Fd> OpenPrivateFolder(const std::string& path) {
  const std::string what = "folder '" + path + "'";
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return FromErrno(error.value(), "making " + what);
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return FromErrno(errno, "making " + what);
  base::Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info = {};
  if (folder.get() < 0) {
    const int failed = errno;
    if (lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) return NotOurs(what, "is a symbolic link");
    return FromErrno(failed, what);
  }
  if (fstat(folder.get(), &info) != 0) return FromErrno(errno, what);
  if (info.st_uid != geteuid()) return NotOurs(what, "belongs to another user (" + std::to_string(info.st_uid) + ")");
  if (fchmod(folder.get(), 0700) != 0) return FromErrno(errno, what);
  return folder;
}

Outcome<base::Fd> OpenPrivateLog(const base::Fd& folder, const std::string& name) {
  // Without O_NONBLOCK a pipe in its place would hold us up for ever.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const std::string what = "log '" + name + "'";
  base::Fd log(openat(folder.get(), name.c_str(), kFlags, 0600));
  if (log.get() < 0 && errno == ELOOP) return NotOurs(what, "is a symbolic link");
  if (log.get() < 0) return FromErrno(errno, what);
  struct stat info = {};
  if (fstat(log.get(), &info) != 0) return FromErrno(errno, what);
  if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() || info.st_nlink != 1) {
    return NotOurs(what, "is no plain file of yours with one name only");
  }
  return log;
}

}  // namespace seamount::vfs
