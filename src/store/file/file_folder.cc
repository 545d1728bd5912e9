#include "store/file/file_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>

#include "base/log.h"
#include "base/os_error.h"
#include "base/text.h"
#include "store/file/file_names.h"

namespace seamount::store {
namespace {

constexpr const char* kAttribute = "user.seamount";
// No upload takes longer than a day.
constexpr time_t kStaleSeconds = 24 * 3600;

std::string Own(std::string_view part) { return std::string(kOwnFolder) + "/" + std::string(part); }

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Where an open file lies; empty where /proc does not tell.
std::string PathOfFd(int fd) {
  std::array<char, 4096> path;
  const ssize_t n = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size());
  return n <= 0 || static_cast<size_t>(n) == path.size() ? "" : std::string(path.data(), static_cast<size_t>(n));
}

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
    if (mkdir(part.c_str(), 0777) != 0 && errno != EEXIST) return base::OsError(errno, "making the folder", part);
    if (slash == std::string::npos) return {};
  }
}

}  // namespace

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
    if (!root_) return base::OsError(errno, "opening the folder", directory_);
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
      return base::OsError(errno, "making the folder", directory_ + "/" + folder);
    }
  }
  RemoveStaleTemporaries(root);
  std::scoped_lock lock(mutex_);
  prepared_ = true;
  return {};
}

// What processes that were killed have left.
void FileFolder::RemoveStaleTemporaries(int root) {
  (void)ForEntries(Own("tmp"), [&](const FolderEntry& entry) {
    const std::string path = Own("tmp/") + entry.name;
    struct stat status {};
    const bool there = fstatat(root, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && time(nullptr) - status.st_mtim.tv_sec > kStaleSeconds) unlinkat(root, path.c_str(), 0);
    return true;
  });
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
  // Kernels before 5.6, and sandboxes that do not know the call: step by step.
  Fd at(openat(*root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const std::string& name : base::Split(path, '/')) {
    struct stat status {};
    if (fstatat(at.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode)) {
      errno = ELOOP;
      return {};
    }
    at = Fd(openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!at) return {};
  }
  return at;
}

// The file that a link leads to, if that lies below the directory. An empty Fd with errno set when it is not there.
Result<Fd> FileFolder::OpenLink(int folder, const std::string& name, const std::string& path, int flags) {
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  const Fd target(openat(folder, name.c_str(), O_PATH | O_CLOEXEC));
  if (!target) return Fd();
  const std::string base = PathOfFd(root);
  const std::string where = PathOfFd(target.get());
  if (base.empty() || !(base == "/" || where.starts_with(base + "/"))) {
    return base::PermissionDenied("'" + directory_ + "/" + path +
                                  "': is a symbolic link that leads out of the folder, and is not followed");
  }
  return Fd(open(("/proc/self/fd/" + std::to_string(target.get())).c_str(), flags));
}

Result<std::optional<OpenedFile>> FileFolder::Open(const std::string& path, bool readable) {
  SEAMOUNT_TRY(Root());
  const std::string parent = ParentOf(path);
  const Fd folder = OpenFolder(parent);
  if (!folder) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<OpenedFile>();
    if (errno == ELOOP) {
      return base::PermissionDenied("'" + directory_ + "/" + parent +
                                    "': there is a symbolic link to a folder in it, which is not followed");
    }
    return base::OsError(errno, "opening the folder", directory_ + "/" + parent);
  }
  // In this order: a file is only ever moved from the first name to the second.
  for (const std::string& candidate : {path, path + std::string(kBesideFolder)}) {
    const std::string name = parent.empty() ? candidate : candidate.substr(parent.size() + 1);
    constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    Fd fd(openat(folder.get(), name.c_str(), kFlags | O_NOFOLLOW));
    const bool link = !fd && errno == ELOOP;
    if (link) {
      SEAMOUNT_TRY_ASSIGN(fd, OpenLink(folder.get(), name, candidate, kFlags));
      if (!fd && errno == ELOOP) {
        return base::PermissionDenied("'" + directory_ + "/" + candidate +
                                      "': is a symbolic link that leads back to itself, and is not followed");
      }
    }
    if (!fd && errno == EACCES && !readable && !link)
      fd = Fd(openat(folder.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ENXIO) continue;
      return base::OsError(errno, "opening", directory_ + "/" + candidate);
    }
    OpenedFile file{.fd = std::move(fd), .status = {}, .path = candidate, .link = link};
    if (fstat(file.fd.get(), &file.status) != 0) return base::OsError(errno, "opening", directory_ + "/" + candidate);
    if (!S_ISREG(file.status.st_mode)) continue;
    if (candidate != path && !IsOurs(file)) continue;  // somebody's own file that happens to be named so
    return std::optional<OpenedFile>(std::move(file));
  }
  return std::optional<OpenedFile>();
}

bool FileFolder::IsPublic(const OpenedFile& file) {
  if ((file.status.st_mode & S_IROTH) == 0) return false;
  const auto root = Root();
  for (std::string folder = ParentOf(file.path);; folder = ParentOf(folder)) {
    struct stat status {};
    const char* name = folder.empty() ? "." : folder.c_str();
    if (!root || fstatat(*root, name, &status, 0) != 0 || (status.st_mode & S_IXOTH) == 0) return false;
    if (folder.empty()) return true;
  }
}

FolderStamp FileFolder::StampOf(const std::string& folder) {
  const Fd fd = OpenFolder(folder);
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0) return {};
  FolderStamp stamp{.inode = status.st_ino, .mtime_ns = MtimeOf(status)};
  stamp.ctime_ns = static_cast<int64_t>(status.st_ctim.tv_sec) * 1'000'000'000 + status.st_ctim.tv_nsec;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto changed = std::chrono::nanoseconds(std::max(stamp.mtime_ns, stamp.ctime_ns));
  stamp.settled = now - changed > std::chrono::seconds(1);
  return stamp;
}

bool FileFolder::IsOurs(const OpenedFile& file) {
  if (ReadAttribute(file.fd.get())) return true;
  const auto root = Root();
  return root && faccessat(*root, RecordPath(file.status).c_str(), F_OK, 0) == 0;
}

Result<void> FileFolder::ForEntries(const std::string& folder, const std::function<bool(FolderEntry entry)>& each) {
  SEAMOUNT_TRY(Root());
  const Fd fd = OpenFolder(folder);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return {};
    return base::OsError(errno, "listing the folder", directory_ + "/" + folder);
  }
  const int raw = fd.get();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(dup(raw)), &closedir);
  if (stream == nullptr) return base::OsError(errno, "listing the folder", directory_ + "/" + folder);
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    if (name == "." || name == ".." || (folder.empty() && name == kOwnFolder)) continue;
    unsigned char type = entry->d_type;
    bool link = type == DT_LNK;
    struct stat status {};
    if (type == DT_UNKNOWN) {
      if (fstatat(raw, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      link = S_ISLNK(status.st_mode);
    }
    if (link && fstatat(raw, entry->d_name, &status, 0) != 0) {
      if (!each({.name = std::string(name), .folder = false, .link = true})) return {};
      continue;
    }
    if (link || type == DT_UNKNOWN) {
      type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_UNKNOWN;
    }
    if (type != DT_DIR && type != DT_REG) continue;
    if (!each({.name = std::string(name), .folder = type == DT_DIR, .link = link && type == DT_DIR})) return {};
  }
  if (errno != 0) return base::OsError(errno, "listing the folder", directory_ + "/" + folder);
  return {};
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
    if (errno != EEXIST) return base::OsError(errno, "making a temporary file in", directory_);
  }
}

Result<void> FileFolder::Finish(OpenedFile& file, const FileRecord& record) {
  // The kernel's own time stamps move in steps of milliseconds; two overwrites must not share one.
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = static_cast<time_t>(record.mtime_ns / 1'000'000'000),
                              .tv_nsec = static_cast<long>(record.mtime_ns % 1'000'000'000)}};
  const int fd = file.fd.get();
  if (futimens(fd, times) != 0 || fstat(fd, &file.status) != 0) return base::OsError(errno, "writing in", directory_);
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
  if (options_.sync && fsync(fd) != 0) return base::OsError(errno, "writing in", directory_);
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
    return base::OsError(error, "writing the metadata of an object in", directory_);
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

Result<void> FileFolder::SyncFolderOf(const std::string& path) {
  if (!options_.sync) return {};
  const std::string parent = ParentOf(path);
  const Fd folder = OpenFolder(parent);
  if (!folder) return {};  // gone already, with what was in it
  if (fsync(folder.get()) != 0) return base::OsError(errno, "writing the folder", directory_ + "/" + parent);
  return {};
}

// What is left from a time when there was a folder of this name, lock held. A file of somebody's own that is named so
// is PreconditionFailed, and stays.
Result<void> FileFolder::RemoveBeside(const std::string& path) {
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  const std::string beside = path + std::string(kBesideFolder);
  OpenedFile file{.fd = Fd(openat(root, beside.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)),
                  .status = {},
                  .path = beside};
  if (!file.fd && (errno == ENOENT || errno == ENOTDIR)) return {};
  if (file.fd && fstat(file.fd.get(), &file.status) == 0 && IsOurs(file)) {
    unlinkat(root, beside.c_str(), 0);
    return {};
  }
  return base::PreconditionFailed("'" + directory_ + "/" + beside +
                                  "': somebody else's file has the name that this store needs");
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
  SEAMOUNT_TRY(RemoveBeside(path));
  // By its record it is known again there.
  const OpenedFile file{
      .fd = Fd(openat(root, path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)), .status = status, .path = path};
  if (!file.fd) return base::OsError(errno, "moving aside", directory_ + "/" + path);
  if (!IsOurs(file)) {
    SEAMOUNT_TRY(WriteRecord(file, {.size_bytes = static_cast<uint64_t>(status.st_size),
                                    .mtime_ns = MtimeOf(status),
                                    .content_type = "application/octet-stream"}));
  }
  if (renameat(root, path.c_str(), root, (path + std::string(kBesideFolder)).c_str()) != 0 && errno != ENOENT) {
    return base::OsError(errno, "moving aside", directory_ + "/" + path);
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
    if (errno != EEXIST) return base::OsError(errno, "making the folder", directory_ + "/" + folder);
    struct stat status {};
    if (fstatat(root, folder.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode)) continue;
    SEAMOUNT_TRY(MoveAside(folder, context));
    if (mkdirat(root, folder.c_str(), 0777) != 0 && errno != EEXIST) {
      return base::OsError(errno, "making the folder", directory_ + "/" + folder);
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
    (void)RemoveBeside(path);
  } else if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST) {
    placed = beside;
    SEAMOUNT_TRY(RemoveBeside(path));
    if (renameat(root, file.path.c_str(), root, beside.c_str()) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return false;
      return base::OsError(errno, "writing", directory_ + "/" + beside);
    }
  } else if (errno == ENOENT || errno == ENOTDIR) {
    return false;
  } else {
    return base::OsError(errno, "writing", directory_ + "/" + path);
  }
  SEAMOUNT_TRY(SyncFolderOf(placed));
  return true;
}

Result<void> FileFolder::Remove(const OpenedFile& file) {
  SEAMOUNT_TRY_ASSIGN(const int root, Root());
  const std::string& plain = file.path;
  if (!plain.ends_with(kBesideFolder)) (void)RemoveBeside(plain);
  if (unlinkat(root, plain.c_str(), 0) != 0) return base::OsError(errno, "deleting", directory_ + "/" + plain);
  RemoveRecord(file);
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
  RemoveRecord(file);
}

void FileFolder::RemoveRecord(const OpenedFile& file) {
  if (file.link || file.status.st_nlink > 1) return;
  const auto root = Root();
  if (root && file.status.st_ino != 0) unlinkat(*root, RecordPath(file.status).c_str(), 0);
}

}  // namespace seamount::store
