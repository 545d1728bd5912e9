#include "source/local_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/fd.h"
#include "base/os_error.h"

namespace seamount::source {
namespace {

using base::Fd;
using Held = std::shared_ptr<const Fd>;

Error OpenError(const std::string& path, int number) {
  Error error = base::OsError(number, "opening " + path);
  if (number == ENOTDIR) return base::NotFound(error.message());
  if (number != EMFILE && number != ENFILE) return error;
  return base::ResourceExhausted(error.message() + " (raise the limit: ulimit -n 4096; or stop what holds so many)");
}

Result<Held> OpenDescriptor(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return OpenError(path, errno);
  return Held(std::make_shared<Fd>(std::move(fd)));
}

Result<FileIdentity> Identify(const Fd& file, const std::string& path) {
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) return base::OsError(errno, "reading " + path);
  if (!S_ISREG(info.st_mode)) return base::InvalidArgument("reading " + path + ": it is not a regular file");
  FileIdentity identity;
  identity.path = path;
  identity.local = true;
  identity.size_bytes = static_cast<uint64_t>(info.st_size);
  identity.modified_ns = static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
  return identity;
}

Result<void> CheckSame(const FileIdentity& now, const FileIdentity& before) {
  if (now.size_bytes == before.size_bytes && now.modified_ns == before.modified_ns) return {};
  return base::DataLoss(before.path + " changed while it was read: run it again when nobody writes to it");
}

// The descriptors that were used last. Thread-safe; one that is dropped closes when its last reader is done.
class Descriptors {
 public:
  Result<Held> Get(const FileIdentity& file) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = open_.find(file.path); found != open_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second.place);
      return found->second.held;
    }
    SEAMOUNT_TRY_ASSIGN(const Held held, OpenDescriptor(file.path));
    SEAMOUNT_TRY_ASSIGN(const FileIdentity now, Identify(*held, file.path));
    SEAMOUNT_TRY(CheckSame(now, file));
    Add(file.path, held);
    return held;
  }

  // A file that was just opened: what may have been held by its name is another by now.
  void Replace(const std::string& path, Held held) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = open_.find(path); found != open_.end()) Erase(found);
    Add(path, std::move(held));
  }

 private:
  struct Entry {
    Held held;
    std::list<std::string>::iterator place;
  };
  using Map = std::unordered_map<std::string, Entry>;

  void Erase(Map::iterator entry) {
    recent_.erase(entry->second.place);
    open_.erase(entry);
  }
  void Add(const std::string& path, Held held) {
    recent_.push_front(path);
    open_[path] = {std::move(held), recent_.begin()};
    while (open_.size() > most_) Erase(open_.find(recent_.back()));
  }

  // A quarter of what this process may open, since a store needs connections.
  static size_t Most() {
    constexpr size_t kMost = 256;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kMost / 4;
    return std::clamp<size_t>(limit.rlim_cur / 4, 4, kMost);
  }

  const size_t most_ = Most();
  std::mutex mutex_;
  std::list<std::string> recent_;  // used last at the front
  Map open_;
};

Descriptors& Pool() {
  static Descriptors pool;
  return pool;
}

}  // namespace

Result<std::shared_ptr<const LocalFile>> LocalFile::Open(const std::string& path) {
  SEAMOUNT_TRY_ASSIGN(const Held held, OpenDescriptor(path));
  SEAMOUNT_TRY_ASSIGN(FileIdentity identity, Identify(*held, path));
  Pool().Replace(path, held);
  return std::shared_ptr<const LocalFile>(new LocalFile(std::move(identity)));
}

Result<void> LocalFile::ReadAt(uint64_t offset, std::span<std::byte> into) const {
  SEAMOUNT_TRY_ASSIGN(const Held held, Pool().Get(identity_));
  return store::FileSource(held->get(), 0, identity_.size_bytes).ReadAt(offset, into);
}

Result<void> CheckUnchanged(const FileIdentity& file) {
  if (!file.local) return {};
  SEAMOUNT_TRY_ASSIGN(const Held held, OpenDescriptor(file.path));
  SEAMOUNT_TRY_ASSIGN(const FileIdentity now, Identify(*held, file.path));
  return CheckSame(now, file);
}

}  // namespace seamount::source
