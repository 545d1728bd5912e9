#include "prepare/spill.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/os_error.h"

namespace seamount::prepare {

Error Spill::Failed(const char* what) const {
  const Error error = base::OsError(errno, std::string(what) + " the spill file in", directory_);
  return {error.code(), error.message() + " (--spill names another folder)"};
}

std::string SpillDirectory(const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  const char* temporary = std::getenv("TMPDIR");
  return temporary != nullptr && *temporary != '\0' ? temporary : "/var/tmp";
}

Result<Spill> Spill::Make(const std::string& directory) {
  std::string chosen = SpillDirectory(directory);
  base::Fd fd(::open(chosen.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {  // not every file system can
    std::string name = chosen + "/seamount-spill-XXXXXX";
    fd = base::Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (fd) ::unlink(name.c_str());
  }
  Spill spill(std::move(fd), std::move(chosen));
  if (!spill.fd_) return spill.Failed("making");
  return spill;
}

Result<uint64_t> Spill::Room() const {
  struct statvfs info = {};
  if (::fstatvfs(fd_.get(), &info) != 0) return Failed("measuring the room for");
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize / 2;
}

Result<void> Spill::Write(uint64_t offset, std::span<const std::byte> from) const {
  while (!from.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), from.data(), from.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("writing");
    offset += static_cast<uint64_t>(n);
    from = from.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<void> Spill::Read(uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t n = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) return Failed("reading");
    offset += static_cast<uint64_t>(n);
    into = into.subspan(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace seamount::prepare
