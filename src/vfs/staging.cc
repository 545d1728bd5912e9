#include "vfs/staging.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace seamount::vfs {
namespace {

constexpr const char* kKept = "kept";

Fault FromErrno(int error, const std::string& what) { return {error, what + ": " + std::strerror(error)}; }

// "a/b c.nc" → "a_b c.nc": one name of a local folder, short enough to be given a suffix.
std::string LocalName(std::string_view key) {
  constexpr size_t kLongest = 160;
  if (key.size() > kLongest) key.remove_prefix(key.size() - kLongest);
  std::string name(key);
  for (char& c : name) {
    if (c == '/' || c == '\n') c = '_';
  }
  return name;
}

Outcome<void> CopyWhole(int from, int to) {
  std::vector<char> buffer(1 << 20);
  for (off_t at = 0;;) {
    const ssize_t got = pread(from, buffer.data(), buffer.size(), at);
    if (got == 0) return {};
    if (got < 0) return FromErrno(errno, "reading the staged file");
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = pwrite(to, buffer.data() + done, static_cast<size_t>(got - done), at + done);
      if (put < 0) return FromErrno(errno, "writing the kept file");
      done += put;
    }
    at += got;
  }
}

}  // namespace

Outcome<void> StagingFolder::Prepare() {
  SEAMOUNT_TRY_ASSIGN(folder_, OpenPrivateFolder(path_));
  SEAMOUNT_TRY(Create());
  return {};
}

Outcome<StagingFd> StagingFolder::Create() {
  int fd = openat(folder_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {  // no O_TMPFILE on this file system
    std::string name = "/proc/self/fd/" + std::to_string(folder_.get()) + "/staged-XXXXXX";
    fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) unlink(name.c_str());
  }
  if (fd < 0) return FromErrno(errno, "staging in '" + path_ + "'");
  return StagingFd(fd);
}

Outcome<std::string> StagingFolder::Keep(const StagingFd& file, std::string_view key) {
  if (mkdirat(folder_.get(), kKept, 0700) != 0 && errno != EEXIST)
    return FromErrno(errno, "making '" + path_ + "/kept'");
  const StagingFd kept(openat(folder_.get(), kKept, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (kept.get() < 0) return FromErrno(errno, "opening '" + path_ + "/kept'");
  for (int attempt = 0;; ++attempt) {
    const std::string name = LocalName(key) + "." + std::to_string(std::time(nullptr)) + "." + std::to_string(attempt);
    const std::string path = path_ + "/" + kKept + "/" + name;
    const std::string self = "/proc/self/fd/" + std::to_string(file.get());
    if (linkat(AT_FDCWD, self.c_str(), kept.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0) return path;
    if (errno == EEXIST) continue;
    const StagingFd copy(openat(kept.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (copy.get() < 0 && errno == EEXIST) continue;
    if (copy.get() < 0) return FromErrno(errno, "keeping '" + path + "'");
    SEAMOUNT_TRY(CopyWhole(file.get(), copy.get()));
    return path;
  }
}

}  // namespace seamount::vfs
