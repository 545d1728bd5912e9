// The locks of a file store's paths: flock on one of a few files, so across processes too.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <set>

#include "base/os_error.h"
#include "store/file/file_folder.h"
#include "store/file/file_names.h"
#include "store/store.h"

namespace seamount::store {
namespace {

// Enough that writers of different keys seldom wait for each other's fsync, few enough to leave lying around.
constexpr size_t kLocks = 256;

size_t NumberOfLock(const std::string& path) { return std::hash<std::string>()(path) % kLocks; }

}  // namespace

Result<Fd> FileFolder::Lock(const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY(Prepare());
  return LockNumber(NumberOfLock(path), context);
}

Result<std::vector<Fd>> FileFolder::LockBoth(const std::string& path, const std::string& other,
                                             const CallContext& context) {
  SEAMOUNT_TRY(Prepare());
  std::set<size_t> numbers = {NumberOfLock(path), NumberOfLock(other)};
  std::vector<Fd> locks;
  for (const size_t number : numbers) {
    SEAMOUNT_TRY_ASSIGN(Fd lock, LockNumber(number, context));
    locks.push_back(std::move(lock));
  }
  return locks;
}

Result<Fd> FileFolder::LockNumber(size_t number, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  const std::string name = std::string(kOwnFolder) + "/locks/" + std::to_string(number);
  Fd fd(openat(root, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd) return base::OsError(errno, "opening the lock", directory_ + "/" + name);
  // Locks are held for a rename and an fsync: asking again in short intervals honours the deadline and costs little.
  auto wait = std::chrono::microseconds(50);
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return base::OsError(errno, "locking", directory_ + "/" + name);
    SEAMOUNT_TRY(CheckContext(context));
    base::RealClock().SleepFor(wait, context.stop);
    wait = std::min(wait * 2, std::chrono::microseconds(5000));
  }
  return fd;
}

}  // namespace seamount::store
