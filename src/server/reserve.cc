#include "server/reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace seamount::server {
namespace {

// Twice what the catalog's log grows to before its pages are moved into the catalog. A small disk gives less.
constexpr uint64_t kMostBytes = 8 << 20;
constexpr uint64_t kLeastBytes = 256 << 10;
constexpr uint64_t kPartOfDisk = 16;

}  // namespace

Result<std::unique_ptr<Reserve>> Reserve::Open(const std::string& directory) {
  const std::string path = directory + "/reserve";
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return FromErrno("opening " + path, errno);
  struct statvfs info {};
  if (::fstatvfs(file.get(), &info) != 0) return FromErrno("looking at the disk of " + path, errno);
  const uint64_t disk = uint64_t{info.f_blocks} * info.f_frsize;
  return std::unique_ptr<Reserve>(
      new Reserve(std::move(file), std::clamp(disk / kPartOfDisk, kLeastBytes, kMostBytes)));
}

bool Reserve::Release() {
  std::lock_guard lock(mutex_);
  struct stat info {};
  if (::fstat(file_.get(), &info) != 0 || info.st_size == 0) return false;
  return ::ftruncate(file_.get(), 0) == 0;
}

void Reserve::Restore() {
  std::lock_guard lock(mutex_);
  struct stat info {};
  if (::fstat(file_.get(), &info) != 0 || static_cast<uint64_t>(info.st_size) >= bytes_) return;
  struct statvfs disk {};
  if (::fstatvfs(file_.get(), &disk) != 0 || uint64_t{disk.f_bavail} * disk.f_frsize < 2 * bytes_) return;
  if (::posix_fallocate(file_.get(), 0, static_cast<off_t>(bytes_)) != 0) (void)!::ftruncate(file_.get(), 0);
}

}  // namespace seamount::server
