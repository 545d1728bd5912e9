#include "store/file/file_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <functional>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "store/file/file_names.h"

namespace seamount::store {
namespace {

constexpr const char* kAttribute = "user.seamount";
// Enough that writers of different keys seldom wait for each other's fsync, few enough to leave lying around.
constexpr size_t kLocks = 256;

// No upload takes longer than a day.
constexpr time_t kStaleSeconds = 24 * 3600;

std::string Own(std::string_view part) { return std::string(kOwnFolder) + "/" + std::string(part); }

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

size_t NumberOfLock(const std::string& path) { return std::hash<std::string>()(path) % kLocks; }

std::string RecordPath(const struct stat& status) { return Own("records/") + GenerationOf(status).text(); }

std::optional<std::string> ReadAttribute(int fd) {
  std::string value(4096, '\0');  // ext4 holds no more; others are asked for their size
  ssize_t n = fgetxattr(fd, kAttribute, value.data(), value.size());
  if (n < 0 && errno == ERANGE) {
    value.resize(64 << 10);  // XATTR_SIZE_MAX
    n = fgetxattr(fd, kAttribute, value.data(), value.size());
  }
  if (n < 0) return std::nullopt;
  value.resize(static_cast<size_t>(n));
  return value;
}

bool WriteWhole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

Result<void> MakeDirectories(const std::string& directory) {
  for (size_t slash = directory.find('/', 1);; slash = directory.find('/', slash + 1)) {
    const std::string part = directory.substr(0, slash);
    if (mkdir(part.c_str(), 0777) != 0 && errno != EEXIST) return ErrnoError(errno, "making the folder", part);
    if (slash == std::string::npos) return {};
  }
}

}  // namespace

Error ErrnoError(int error, std::string_view doing, std::string_view path) {
  std::string message = std::string(doing) + " '" + std::string(path) + "': " + std::strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return base::ResourceExhausted(std::move(message));
    case EACCES:
    case EPERM:
    case EROFS: return base::PermissionDenied(std::move(message));
    case ENOENT: return base::NotFound(std::move(message));
    case EIO: return base::DataLoss(std::move(message));
    case ENAMETOOLONG:
    case ENOTDIR:
    case EINVAL: return base::InvalidArgument(std::move(message));
    case EINTR:
    case EAGAIN:
    case EBUSY:
    case ETIMEDOUT:
    case ESTALE: return base::Unavailable(std::move(message));
    default: return base::Internal(std::move(message));
  }
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int64_t MtimeOf(const struct stat& status) {
  return static_cast<int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
}

Generation GenerationOf(const struct stat& status) {
  // SplitMix64 over both: neighbours in time and inode end far apart.
  uint64_t x = static_cast<uint64_t>(MtimeOf(status)) + 0x9E3779B97F4A7C15ULL * (status.st_ino + 1);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  x ^= x >> 31;
  return Generation(std::to_string(x));
}

Result<int> FileFolder::Root() {
  std::scoped_lock lock(mutex_);
  if (!root_) {
    root_ = Fd(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) return ErrnoError(errno, "opening the folder", directory_);
  }
  return root_.get();
}

Result<void> FileFolder::Prepare() {
  {
    std::scoped_lock lock(mutex_);
    if (prepared_) return {};
  }
  SEAMOUNT_TRY(MakeDirectories(directory_));
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  for (const std::string& folder : {std::string(kOwnFolder), Own("tmp"), Own("locks"), Own("records")}) {
    if (mkdirat(root, folder.c_str(), 0777) != 0 && errno != EEXIST) {
      return ErrnoError(errno, "making the folder", directory_ + "/" + folder);
    }
  }
  RemoveStaleTemporaries(root);
  std::scoped_lock lock(mutex_);
  prepared_ = true;
  return {};
}

// What processes that were killed have left.
void FileFolder::RemoveStaleTemporaries(int root) {
  const auto entries = Entries(Own("tmp"));
  if (!entries) return;
  for (const FolderEntry& entry : *entries) {
    const std::string path = Own("tmp/") + entry.name;
    struct stat status {};
    if (fstatat(root, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (time(nullptr) - status.st_mtim.tv_sec > kStaleSeconds) unlinkat(root, path.c_str(), 0);
  }
}

// Through no symbolic link; an empty Fd with errno set when it cannot be had.
Fd FileFolder::OpenFolder(const std::string& folder) {
  const auto root = Root();
  if (!root) {
    errno = ENOENT;
    return {};
  }
  const char* path = folder.empty() ? "." : folder.c_str();
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long fd = syscall(SYS_openat2, *root, path, &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return Fd(static_cast<int>(fd));
  // Kernels before 5.6, and sandboxes that do not know the call.
  return Fd(openat(*root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Result<std::optional<OpenedFile>> FileFolder::Open(const std::string& path) {
  SEAMOUNT_TRY(Root());
  const std::string parent = ParentOf(path);
  const Fd folder = OpenFolder(parent);
  if (!folder) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return std::optional<OpenedFile>();
    return ErrnoError(errno, "opening the folder", directory_ + "/" + parent);
  }
  // In this order: a file is only ever moved from the first name to the second.
  for (const std::string& candidate : {path, path + std::string(kBesideFolder)}) {
    const std::string name = parent.empty() ? candidate : candidate.substr(parent.size() + 1);
    Fd fd(openat(folder.get(), name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO) continue;
      return ErrnoError(errno, "opening", directory_ + "/" + candidate);
    }
    OpenedFile file{.fd = std::move(fd), .status = {}, .path = candidate};
    if (fstat(file.fd.get(), &file.status) != 0) return ErrnoError(errno, "opening", directory_ + "/" + candidate);
    if (S_ISREG(file.status.st_mode)) return std::optional<OpenedFile>(std::move(file));
  }
  return std::optional<OpenedFile>();
}

Result<std::vector<FolderEntry>> FileFolder::Entries(const std::string& folder) {
  SEAMOUNT_TRY(Root());
  std::vector<FolderEntry> entries;
  Fd fd = OpenFolder(folder);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return entries;
    return ErrnoError(errno, "listing the folder", directory_ + "/" + folder);
  }
  const int raw = fd.get();
  DIR* stream = fdopendir(dup(raw));
  if (stream == nullptr) return ErrnoError(errno, "listing the folder", directory_ + "/" + folder);
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    const std::string_view name(entry->d_name);
    if (name == "." || name == ".." || (folder.empty() && name == kOwnFolder)) continue;
    unsigned char type = entry->d_type;
    if (type == DT_UNKNOWN || type == DT_LNK) {
      struct stat status {};
      const int flags = type == DT_UNKNOWN ? AT_SYMLINK_NOFOLLOW : 0;
      if (fstatat(raw, entry->d_name, &status, flags) != 0) continue;
      if (type == DT_LNK && S_ISDIR(status.st_mode)) continue;
      type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_UNKNOWN;
    }
    if (type == DT_DIR || type == DT_REG) entries.push_back({std::string(name), type == DT_DIR});
    errno = 0;
  }
  const int error = errno;
  closedir(stream);
  if (error != 0) return ErrnoError(error, "listing the folder", directory_ + "/" + folder);
  return entries;
}

Result<OpenedFile> FileFolder::MakeTemporary() {
  SEAMOUNT_TRY(Prepare());
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  static std::atomic<uint64_t> counter = 0;
  for (;;) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    OpenedFile file{
        .fd = {},
        .status = {},
        .path = Own("tmp/") + std::to_string(getpid()) + "-" + std::to_string(now) + "-" + std::to_string(++counter)};
    file.fd = Fd(openat(root, file.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.fd) return file;
    if (errno != EEXIST) return ErrnoError(errno, "making a temporary file in", directory_);
  }
}

Result<void> FileFolder::Finish(OpenedFile& file, const FileRecord& record) {
  // The kernel's own time stamps move in steps of milliseconds; two overwrites must not share one.
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = static_cast<time_t>(record.mtime_ns / 1'000'000'000),
                              .tv_nsec = static_cast<long>(record.mtime_ns % 1'000'000'000)}};
  const int fd = file.fd.get();
  if (futimens(fd, times) != 0 || fstat(fd, &file.status) != 0) return ErrnoError(errno, "writing in", directory_);
  FileRecord kept = record;
  kept.mtime_ns = MtimeOf(file.status);  // as coarse as the file system has it
  return WriteRecord(file, kept);
}

Result<void> FileFolder::WriteRecord(const OpenedFile& file, const FileRecord& record) {
  const int fd = file.fd.get();
  const std::string text = EncodeFileRecord(record);
  if (!options_.extended_attributes || fsetxattr(fd, kAttribute, text.data(), text.size(), 0) != 0) {
    SEAMOUNT_TRY(WriteSidecar(RecordPath(file.status), text));
  }
  if (options_.sync && fsync(fd) != 0) return ErrnoError(errno, "writing in", directory_);
  return {};
}

// By a rename, so that a reader finds the old record or the whole new one.
Result<void> FileFolder::WriteSidecar(const std::string& path, std::string_view text) {
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  SEAMOUNT_TRY_ASSIGN(const OpenedFile temporary, MakeTemporary());
  if (!WriteWhole(temporary.fd.get(), text) || (options_.sync && fsync(temporary.fd.get()) != 0) ||
      renameat(root, temporary.path.c_str(), root, path.c_str()) != 0) {
    const int error = errno;
    unlinkat(root, temporary.path.c_str(), 0);
    return ErrnoError(error, "writing the metadata of an object in", directory_);
  }
  return SyncFolderOf(path);
}

std::optional<FileRecord> FileFolder::RecordOf(const OpenedFile& file) {
  std::optional<std::string> text = ReadAttribute(file.fd.get());
  if (!text) {
    const auto root = Root();
    if (!root) return std::nullopt;
    const Fd sidecar(openat(*root, RecordPath(file.status).c_str(), O_RDONLY | O_CLOEXEC));
    if (!sidecar) return std::nullopt;
    std::array<char, 4096> part;
    text.emplace();
    constexpr size_t kLongestRecord = 256 << 10;
    for (ssize_t n; (n = read(sidecar.get(), part.data(), part.size())) > 0 && text->size() < kLongestRecord;) {
      text->append(part.data(), static_cast<size_t>(n));
    }
  }
  auto record = DecodeFileRecord(*text);
  if (!record || record->size_bytes != static_cast<uint64_t>(file.status.st_size) ||
      record->mtime_ns != MtimeOf(file.status)) {
    return std::nullopt;
  }
  return record;
}

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
  const std::string name = Own("locks/") + std::to_string(number);
  Fd fd(openat(root, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd) return ErrnoError(errno, "opening the lock", directory_ + "/" + name);
  // Locks are held for a rename and an fsync: asking again in short intervals honours the deadline and costs little.
  auto wait = std::chrono::microseconds(50);
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoError(errno, "locking", directory_ + "/" + name);
    SEAMOUNT_TRY(CheckContext(context));
    base::RealClock().SleepFor(wait, context.stop);
    wait = std::min(wait * 2, std::chrono::microseconds(5000));
  }
  return fd;
}

Result<void> FileFolder::SyncFolderOf(const std::string& path) {
  if (!options_.sync) return {};
  const std::string parent = ParentOf(path);
  const Fd folder = OpenFolder(parent);
  if (!folder) return {};  // gone already, with what was in it
  if (fsync(folder.get()) != 0) return ErrnoError(errno, "writing the folder", directory_ + "/" + parent);
  return {};
}

Result<void> FileFolder::MoveAside(const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const Fd lock, Lock(path, context));
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  struct stat status {};
  if (fstatat(root, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(status.st_mode)) return {};
  if (!S_ISREG(status.st_mode)) {
    return base::PreconditionFailed("making the folder '" + directory_ + "/" + path +
                                    "': something that is neither file nor folder has its name");
  }
  if (renameat(root, path.c_str(), root, (path + std::string(kBesideFolder)).c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, "moving aside", directory_ + "/" + path);
  }
  return SyncFolderOf(path);
}

Result<void> FileFolder::MakeFolders(const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY(Prepare());
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdirat(root, folder.c_str(), 0777) == 0) {
      SEAMOUNT_TRY(SyncFolderOf(folder));
      continue;
    }
    // ENOENT, ENOTDIR: what was just made above has gone again. The caller comes back.
    if (errno == ENOENT || errno == ENOTDIR) return {};
    if (errno != EEXIST) return ErrnoError(errno, "making the folder", directory_ + "/" + folder);
    struct stat status {};
    if (fstatat(root, folder.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode)) continue;
    SEAMOUNT_TRY(MoveAside(folder, context));
    if (mkdirat(root, folder.c_str(), 0777) != 0 && errno != EEXIST) {
      return ErrnoError(errno, "making the folder", directory_ + "/" + folder);
    }
    SEAMOUNT_TRY(SyncFolderOf(folder));
  }
  return {};
}

Result<bool> FileFolder::Place(const OpenedFile& file, const std::string& path) {
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  const std::string beside = path + std::string(kBesideFolder);
  std::string placed = path;
  if (renameat(root, file.path.c_str(), root, path.c_str()) == 0) {
    unlinkat(root, beside.c_str(), 0);  // from a time when there was a folder of this name
  } else if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST) {
    placed = beside;
    if (renameat(root, file.path.c_str(), root, beside.c_str()) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return false;
      return ErrnoError(errno, "writing", directory_ + "/" + beside);
    }
  } else if (errno == ENOENT || errno == ENOTDIR) {
    return false;
  } else {
    return ErrnoError(errno, "writing", directory_ + "/" + path);
  }
  SEAMOUNT_TRY(SyncFolderOf(placed));
  return true;
}

Result<void> FileFolder::Remove(const OpenedFile& file) {
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  std::string plain = file.path;
  if (!plain.ends_with(kBesideFolder)) unlinkat(root, (plain + std::string(kBesideFolder)).c_str(), 0);
  if (unlinkat(root, plain.c_str(), 0) != 0) return ErrnoError(errno, "deleting", directory_ + "/" + plain);
  RemoveRecord(file.status);
  return LeaveFolderOf(plain);
}

Result<void> FileFolder::LeaveFolderOf(const std::string& path) {
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  SEAMOUNT_TRY(SyncFolderOf(path));
  // A folder exists for the objects in it. One that cannot be removed (not empty, mostly) stays.
  for (std::string parent = ParentOf(path); !parent.empty(); parent = ParentOf(parent)) {
    if (unlinkat(root, parent.c_str(), AT_REMOVEDIR) != 0) break;
  }
  return {};
}

void FileFolder::RemoveTemporary(const OpenedFile& file) {
  const auto root = Root();
  if (!root) return;
  unlinkat(*root, file.path.c_str(), 0);
  RemoveRecord(file.status);
}

void FileFolder::RemoveRecord(const struct stat& status) {
  const auto root = Root();
  if (root && status.st_ino != 0) unlinkat(*root, RecordPath(status).c_str(), 0);
}

}  // namespace seamount::store
