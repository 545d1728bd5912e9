#include "source/local_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace seamount::source {

Result<LocalFile> LocalFile::Open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const std::string reason = "opening " + path + ": " + std::strerror(errno);
    if (errno == ENOENT || errno == ENOTDIR) return base::NotFound(reason);
    if (errno == EACCES || errno == EPERM) return base::PermissionDenied(reason);
    return base::Unavailable(reason);
  }
  LocalFile file(fd);
  SEAMOUNT_TRY_ASSIGN(file.identity_, file.Identify(path));
  return file;
}

Result<FileIdentity> LocalFile::Identify(const std::string& path) const {
  struct stat info = {};
  if (::fstat(fd_, &info) != 0) return base::Unavailable("reading " + path + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return base::InvalidArgument("reading " + path + ": it is not a regular file");
  FileIdentity identity;
  identity.path = path;
  identity.local = true;
  identity.size_bytes = static_cast<uint64_t>(info.st_size);
  identity.modified_ns = static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
  return identity;
}

LocalFile::~LocalFile() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace seamount::source
