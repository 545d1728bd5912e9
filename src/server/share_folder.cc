#include "server/share_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "base/os_error.h"
#include "base/text.h"
#include "store/store.h"

namespace seamount::server {
namespace {

// Of names that are not served; what more there are is said in one line.
constexpr size_t kMostSaid = 200;

bool SameFile(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// Whether `inner`, or a folder that it lies in, is `outer`.
bool LiesIn(const std::string& inner, const struct stat& outer) {
  base::Fd at(open(inner.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  while (at && fstat(at.get(), &status) == 0) {
    if (SameFile(status, outer)) return true;
    base::Fd parent(openat(at.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat above {};
    if (!parent || fstat(parent.get(), &above) != 0 || SameFile(above, status)) return false;
    at = std::move(parent);
  }
  return false;
}

// A name whose parts are steps down and nothing else.
bool IsPlain(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) return false;
  const auto parts = base::Split(path, '/');
  return std::none_of(parts.begin(), parts.end(),
                      [](const std::string& part) { return part.empty() || part == "." || part == ".."; });
}

}  // namespace

uint64_t FileIdentity::generation() const {
  uint64_t x = 0;
  // SplitMix64 over each: neighbours in any of them end far apart.
  for (const uint64_t part : {device, inode, size, static_cast<uint64_t>(mtime_ns), static_cast<uint64_t>(ctime_ns)}) {
    x = (x ^ part) + 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    x ^= x >> 31;
  }
  return std::max<uint64_t>(x >> 1, 1);
}

FileIdentity IdentityOf(const struct stat& status) {
  const auto nanoseconds = [](const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
  return {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size), nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

Result<std::unique_ptr<ShareFolder>> ShareFolder::Open(const std::string& bucket, const std::string& path,
                                                       Options options) {
  const std::string doing = "sharing as bucket '" + bucket + "' the folder";
  base::Fd root(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG || errno == ELOOP))
    return base::InvalidArgument(doing + " '" + path + "': " + std::strerror(errno) +
                                 " (expected a folder that is there)");
  if (!root) return base::OsError(errno, doing, path);
  const base::Fd readable(openat(root.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable) return base::OsError(errno, doing, path);
  return std::unique_ptr<ShareFolder>(new ShareFolder(bucket, path, std::move(root), options));
}

bool ShareFolder::Overlaps(const std::string& directory) const {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path there = fs::absolute(directory, error);
  while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  struct stat own {};
  struct stat other {};
  if (fstat(root_.get(), &own) != 0) return true;
  if (LiesIn(there, own)) return true;
  const bool exists = stat(directory.c_str(), &other) == 0;
  return exists && LiesIn("/proc/self/fd/" + std::to_string(root_.get()), other);
}

// A descriptor, or -1 and errno.
int ShareFolder::OpenBelow(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  // EAGAIN: something on the way was renamed, and it could not tell whether it stayed below.
  constexpr int kTries = 64;
  for (int i = 0; openat2_ && i < kTries; ++i) {
    fd = syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  const bool lacks = !openat2_ || (fd < 0 && (errno == ENOSYS || errno == EPERM));
  return lacks ? OpenByNames(path, flags) : static_cast<int>(fd);
}

int ShareFolder::OpenByNames(const std::string& path, int flags) const {
  base::Fd at(openat(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto parts = base::Split(path, '/');
  for (size_t i = 0; at && i < parts.size(); ++i) {
    struct stat status {};
    if (fstatat(at.get(), parts[i].c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return -1;
    if (S_ISLNK(status.st_mode)) {
      errno = ELOOP;
      return -1;
    }
    const int step = i + 1 < parts.size() ? O_PATH | O_DIRECTORY : flags;
    at = base::Fd(openat(at.get(), parts[i].c_str(), step | O_NOFOLLOW | O_CLOEXEC));
  }
  return at ? fcntl(at.get(), F_DUPFD_CLOEXEC, 0) : -1;
}

Result<std::optional<base::Fd>> ShareFolder::TryOpen(const std::string& path, int flags) const {
  base::Fd fd(OpenBelow(path, flags));
  if (fd) return std::optional(std::move(fd));
  const int error = errno;
  switch (error) {
    case ENOENT: {
      struct stat root {};
      if (fstat(root_.get(), &root) == 0 && root.st_nlink > 0) return std::optional<base::Fd>();
      return base::Unavailable("bucket '" + bucket_ + "': the folder that it shares, " + path_ +
                               ", was removed; start the server again when it is back");
    }
    case ENOTDIR:
    case ENAMETOOLONG: return std::optional<base::Fd>();
    case EXDEV:
      LeaveOut(path, "a link on the way leads out of the folder, or begins with '/' (inside it, make it relative)");
      return std::optional<base::Fd>();
    case ELOOP: LeaveOut(path, "a link on the way cannot be followed"); return std::optional<base::Fd>();
    case EACCES: LeaveOut(path, "this server may not read it"); return std::optional<base::Fd>();
    default: return base::OsError(error, "bucket '" + bucket_ + "': opening", path_ + "/" + path);
  }
}

Result<std::optional<ShareFolder::File>> ShareFolder::Find(const std::string& name) const {
  if (!store::CheckKey(name) || !IsPlain(name)) return std::optional<File>();
  SEAMOUNT_TRY_ASSIGN(auto fd, TryOpen(name, O_PATH));
  struct stat status {};
  if (!fd || fstat(fd->get(), &status) != 0 || S_ISDIR(status.st_mode)) return std::optional<File>();
  if (!S_ISREG(status.st_mode)) {
    LeaveOut(name, "it is no regular file");
    return std::optional<File>();
  }
  const std::string here = "/proc/self/fd/" + std::to_string(fd->get());
  if (faccessat(AT_FDCWD, here.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES) {
    LeaveOut(name, "this server may not read it");
    return std::optional<File>();
  }
  return std::optional(File{std::move(*fd), IdentityOf(status)});
}

Result<std::optional<base::Fd>> ShareFolder::OpenForRead(const File& file, const std::string& name) const {
  base::Fd fd(open(("/proc/self/fd/" + std::to_string(file.fd.get())).c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (fd) return std::optional(std::move(fd));
  if (errno != EACCES) return base::OsError(errno, "bucket '" + bucket_ + "': opening", path_ + "/" + name);
  LeaveOut(name, "this server may not read it");
  return std::optional<base::Fd>();
}

Result<std::optional<base::Fd>> ShareFolder::OpenFolder(const std::string& prefix) const {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  if (prefix.empty()) {
    struct stat root {};
    if (fstat(root_.get(), &root) == 0 && root.st_nlink > 0) return TryOpen(".", kFlags);
    return base::Unavailable("bucket '" + bucket_ + "': the folder that it shares, " + path_ +
                             ", was removed; start the server again when it is back");
  }
  const std::string path = prefix.substr(0, prefix.size() - 1);
  if (!IsPlain(path)) return std::optional<base::Fd>();
  return TryOpen(path, kFlags);
}

Result<ShareFolder::Kind> ShareFolder::KindOfLink(const std::string& name) const {
  SEAMOUNT_TRY_ASSIGN(const auto fd, TryOpen(name, O_PATH));
  struct stat status {};
  if (!fd || fstat(fd->get(), &status) != 0) return Kind::kNothing;
  if (S_ISDIR(status.st_mode)) return Kind::kFolder;
  if (S_ISREG(status.st_mode)) return Kind::kFile;
  LeaveOut(name, "it is a link to what is no regular file");
  return Kind::kNothing;
}

void ShareFolder::LeaveOut(const std::string& name, const std::string& why) const {
  {
    std::lock_guard lock(said_mutex_);
    if (said_.size() > kMostSaid || !said_.insert(name).second) return;
    if (said_.size() > kMostSaid) {
      base::Log(base::LogLevel::kWarning,
                "server: share '" + bucket_ + "': more files are not served; no further ones are named");
      return;
    }
  }
  base::Log(base::LogLevel::kWarning,
            "server: share '" + bucket_ + "': '" + base::Printable(name) + "' is not served: " + why);
}

}  // namespace seamount::server
