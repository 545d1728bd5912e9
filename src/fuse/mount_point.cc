#include "fuse/mount_point.h"

#define FUSE_USE_VERSION 314
#include <dirent.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/log.h"
#include "fuse/mount_users.h"

extern char** environ;

namespace seamount::fuse {
namespace {

constexpr char kDevice[] = "/dev/fuse";
constexpr char kType[] = "fuse.seamount";
constexpr char kFusermount[] = "fusermount3";

std::string Because(int error) { return std::strerror(error); }

bool InPath(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

// The kernel writes spaces, tabs, line feeds and backslashes in mountinfo as \ooo.
std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "id parent major:minor root mountpoint options [tags] - type source super-options": the type of what is mounted last
// on a path; empty if nothing is.
std::string MountedType(const std::string& path) {
  std::ifstream info("/proc/self/mountinfo");
  std::string found;
  for (std::string line; std::getline(info, line);) {
    std::istringstream fields(line);
    std::string skip, point, field, type;
    fields >> skip >> skip >> skip >> skip >> point;
    while (fields >> field && field != "-") {}
    fields >> type;
    if (Unescape(point) == path) found = type;
  }
  return found;
}

// Of a path that may be a dead mount, and then cannot be resolved itself: its folder's real path and its name.
std::string RealPath(const std::string& path) {
  if (char* real = realpath(path.c_str(), nullptr)) {
    std::string resolved(real);
    std::free(real);
    return resolved;
  }
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const size_t slash = trimmed.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : trimmed.substr(0, slash);
  char* real = realpath(folder.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string resolved(real);
  std::free(real);
  return (resolved == "/" ? "" : resolved) + "/" + trimmed.substr(slash == std::string::npos ? 0 : slash + 1);
}

// A mount whose process is gone. Asked in a way that the kernel does not answer from memory, as it may a stat.
bool IsDead(const std::string& path) {
  struct statvfs info = {};
  return statvfs(path.c_str(), &info) != 0 && errno == ENOTCONN;
}

Error InUse(const std::string& path) {
  std::string message = "unmounting '" + path + "': it is in use";
  const std::vector<std::string> users = UsersOf(path);
  for (size_t i = 0; i < users.size(); ++i) message += (i == 0 ? " by " : ", ") + users[i];
  return base::PreconditionFailed(message + " (close what is open below it and leave the folder, or say --lazy)");
}

Result<void> CheckEmpty(const std::string& directory) {
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr) return base::PermissionDenied("mount folder '" + directory + "': " + Because(errno));
  bool empty = true;
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    empty = empty && (name == "." || name == "..");
  }
  closedir(dir);
  if (empty) return {};
  return base::PreconditionFailed("mount folder '" + directory +
                                  "' is not empty, and a mount would hide what it holds (choose another folder, or "
                                  "say --nonempty)");
}

Result<void> CheckDevice() {
  struct stat info = {};
  if (stat(kDevice, &info) != 0) {
    return base::NotFound(
        "/dev/fuse is missing, and a mount needs it (load the module with 'modprobe fuse', or start the container with "
        "--device /dev/fuse --cap-add SYS_ADMIN)");
  }
  if (access(kDevice, R_OK | W_OK) != 0) {
    return base::PermissionDenied("/dev/fuse: " + Because(errno) + " (mount as root, or ask for access to it)");
  }
  if (geteuid() != 0 && !InPath(kFusermount)) {
    return base::PermissionDenied(
        "only root may mount without fusermount3 (run as root, or install the package fuse3)");
  }
  return {};
}

Result<void> MountAsRoot(fuse_session* session, const std::string& path, const MountPointOptions& options) {
  const int fd = open(kDevice, O_RDWR | O_CLOEXEC);
  if (fd < 0) return base::PermissionDenied("opening /dev/fuse: " + Because(errno));
  std::string data = "fd=" + std::to_string(fd) + ",rootmode=40000,user_id=" + std::to_string(getuid()) +
                     ",group_id=" + std::to_string(getgid()) + ",default_permissions";
  if (options.allow_other) data += ",allow_other";
  unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOATIME;
  if (options.read_only) flags |= MS_RDONLY;
  if (mount(options.source.c_str(), path.c_str(), kType, flags, data.c_str()) != 0) {
    const int error = errno;
    close(fd);
    const std::string message = "mounting on '" + path + "': " + Because(error);
    if (error == EPERM) return base::PermissionDenied(message + " (the container lacks CAP_SYS_ADMIN)");
    if (error == ENODEV) return base::NotFound(message + " (this kernel has no FUSE: 'modprobe fuse')");
    return base::Internal(message);
  }
  if (fuse_session_mount(session, ("/dev/fd/" + std::to_string(fd)).c_str()) != 0) {
    umount2(path.c_str(), MNT_DETACH);
    close(fd);
    return base::Internal("mounting on '" + path + "': libfuse did not take the connection");
  }
  return {};
}

Result<void> RunFusermount(const std::string& path, bool lazy) {
  std::string program = kFusermount, unmount = "-u", quiet = "-q", detach = "-z", target = path;
  char* arguments[] = {program.data(),
                       unmount.data(),
                       quiet.data(),
                       lazy ? detach.data() : target.data(),
                       lazy ? target.data() : nullptr,
                       nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, kFusermount, nullptr, nullptr, arguments, environ) != 0) {
    return base::PermissionDenied("unmounting '" + path + "': only root may without fusermount3");
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (status != 0) return InUse(path);
  return {};
}

}  // namespace

Result<std::string> CheckMountPoint(const std::string& directory, const MountPointOptions& options) {
  const std::string path = RealPath(directory);
  if (IsMounted(path)) {
    // Its process is gone and nothing can be lost with it; programs that still have files open there go on failing.
    const bool dead = IsDead(path);
    if (dead && Detach(path, true)) {
      base::Log(base::LogLevel::kWarning, "'" + path + "' was a mount whose process had ended; it is taken off");
      return CheckMountPoint(directory, options);
    }
    return base::PreconditionFailed(dead ? "'" + directory +
                                               "' is a mount whose process has ended (take it off with 'seamount "
                                               "umount " +
                                               directory + "', then mount again)"
                                         : "'" + directory + "' is mounted already ('seamount umount " + directory +
                                               "' takes it off)");
  }
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) {
      return base::NotFound("mount folder '" + directory + "' does not exist (make it with 'mkdir -p " + directory +
                            "')");
    }
    return base::PermissionDenied("mount folder '" + directory + "': " + Because(errno));
  }
  if (!S_ISDIR(info.st_mode)) return base::InvalidArgument("'" + directory + "' is not a folder");
  if (!options.nonempty) SEAMOUNT_TRY(CheckEmpty(path));
  SEAMOUNT_TRY(CheckDevice());
  return path;
}

Result<void> Attach(fuse_session* session, const std::string& path, const MountPointOptions& options) {
  if (geteuid() == 0) return MountAsRoot(session, path, options);
  if (fuse_session_mount(session, path.c_str()) != 0) {
    return base::PermissionDenied("mounting on '" + path + "': fusermount3 refused (its message is above)");
  }
  return {};
}

Result<void> Detach(const std::string& path, bool lazy) {
  if (geteuid() != 0) return RunFusermount(path, lazy);
  if (umount2(path.c_str(), lazy ? MNT_DETACH : 0) == 0) return {};
  if (errno == EBUSY) return InUse(path);
  if (errno == EINVAL) return base::NotFound("unmounting '" + path + "': nothing is mounted there");
  return base::PermissionDenied("unmounting '" + path + "': " + Because(errno));
}

std::string RealPathOf(const std::string& path) { return RealPath(path); }

bool IsMounted(const std::string& path) { return MountedType(RealPath(path)) == kType; }

void RaiseReadAhead(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return;
  const std::string device = std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev));
  std::ofstream("/sys/class/bdi/" + device + "/read_ahead_kb") << 1024;
}

}  // namespace seamount::fuse
