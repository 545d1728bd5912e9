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
// What one delete may need, many times over.
constexpr uint64_t kSliceBytes = 256 << 10;

}  // namespace

Result<std::unique_ptr<Reserve>> Reserve::Open(const std::string& directory) {
  const std::string path = directory + "/reserve";
  base::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return FromErrno("opening " + path, errno);
  struct statvfs info {};
  if (::fstatvfs(file.get(), &info) != 0) return FromErrno("looking at the disk of " + path, errno);
  const uint64_t disk = uint64_t{info.f_blocks} * info.f_frsize;
  return std::unique_ptr<Reserve>(
      new Reserve(std::move(file), std::clamp(disk / kPartOfDisk, kLeastBytes, kMostBytes)));
}

// A slice at a time: others on the disk may take what is given back before it was used.
bool Reserve::Release() {
  std::lock_guard lock(mutex_);
  struct stat info {};
  if (::fstat(file_.get(), &info) != 0 || info.st_size == 0) return false;
  const uint64_t left = static_cast<uint64_t>(info.st_size) - std::min<uint64_t>(info.st_size, kSliceBytes);
  return ::ftruncate(file_.get(), static_cast<off_t>(left)) == 0;
}

// Of a disk that is nearly full, half of what is free.
void Reserve::Restore() {
  std::lock_guard lock(mutex_);
  struct stat info {};
  struct statvfs disk {};
  if (::fstat(file_.get(), &info) != 0 || ::fstatvfs(file_.get(), &disk) != 0) return;
  const auto size = static_cast<uint64_t>(info.st_size);
  const uint64_t target = std::min(bytes_, size + uint64_t{disk.f_bavail} * disk.f_frsize / 2);
  if (target < size + kSliceBytes && target != bytes_) return;
  if (target <= size) return;
  if (::posix_fallocate(file_.get(), 0, static_cast<off_t>(target)) != 0)
    (void)!::ftruncate(file_.get(), static_cast<off_t>(size));
}

}  // namespace seamount::server
