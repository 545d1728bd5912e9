#include "versions/local_target.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/os_error.h"
#include "store/byte_source.h"
#include "store/store.h"

namespace seamount::versions {
namespace {

namespace fs = std::filesystem;
using base::Fd;

Result<void> MakeFolderOf(const std::string& path) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return base::OsError(error.value(), "making the folder of", path);
  return {};
}

// Folders of the version are no links here: what is written below one would land elsewhere.
Result<void> CheckFoldersAbove(const std::string& root, const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string above = root + "/" + path.substr(0, slash);
    struct stat status {};
    if (::lstat(above.c_str(), &status) != 0) {
      if (errno == ENOENT) return {};
      return base::OsError(errno, "looking at", above);
    }
    if (!S_ISDIR(status.st_mode))
      return base::InvalidArgument("'" + above +
                                   "' is no folder, and the version has one there: choose another folder to "
                                   "restore to, or move it away");
  }
  return {};
}

Result<bool> HasChunk(const store::FileSource& source, const Chunk& chunk, uint64_t offset) {
  Buffer data(chunk.size);
  SEAMOUNT_TRY(source.ReadAt(offset, data.span()));
  return DigestOf(data.span()) == chunk.digest;
}

Result<void> Sync(const std::string& folder) {
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return base::OsError(errno, "writing the folder", folder);
  return {};
}

// Files are as any program makes them: what the umask leaves.
mode_t ModeOf(mode_t mode, bool executable) {
  const mode_t readable = mode & 0444;
  return (mode & 0666) | (executable ? readable >> 2 : 0);
}

}  // namespace

Result<Found> LookForFile(const std::string& root, const File& file, const CallContext& context) {
  SEAMOUNT_TRY(CheckFoldersAbove(root, file.path));
  const std::string path = root + "/" + file.path;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return Found::kNothing;
    return base::OsError(errno, "looking at", path);
  }
  if (S_ISDIR(status.st_mode))
    return base::InvalidArgument("'" + path + "' is a folder, and the version has a file there");
  if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) != file.size) return Found::kOther;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return base::OsError(errno, "reading", path);
  const store::FileSource source(fd.get(), 0, file.size);
  uint64_t offset = 0;
  for (const Chunk& chunk : file.chunks) {
    SEAMOUNT_TRY(store::CheckContext(context));
    SEAMOUNT_TRY_ASSIGN(const bool same, HasChunk(source, chunk, offset));
    if (!same) return Found::kOther;
    offset += chunk.size;
  }
  const bool executable = (status.st_mode & S_IXUSR) != 0;
  if (executable != file.executable && ::fchmod(fd.get(), ModeOf(status.st_mode, file.executable)) != 0)
    return base::OsError(errno, "setting the mode of", path);
  return Found::kSame;
}

Result<Found> LookForLink(const std::string& root, const Link& link) {
  SEAMOUNT_TRY(CheckFoldersAbove(root, link.path));
  const fs::path path = root + "/" + link.path;
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) return Found::kNothing;
  if (error) return base::OsError(error.value(), "looking at", path.string());
  if (fs::is_directory(status))
    return base::InvalidArgument("'" + path.string() + "' is a folder, and the version has a link there");
  const bool same = fs::is_symlink(status) && fs::read_symlink(path, error) == link.target && !error;
  return same ? Found::kSame : Found::kOther;
}

Result<void> MakeLink(const std::string& root, const Link& link) {
  const std::string path = root + "/" + link.path;
  SEAMOUNT_TRY(MakeFolderOf(path));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return base::OsError(errno, "replacing", path);
  if (::symlink(link.target.c_str(), path.c_str()) != 0) return base::OsError(errno, "making the link", path);
  return {};
}

Result<Unfinished> Unfinished::Enter(const std::string& root, const CallContext& context) {
  const std::string folder = root + "/" + kUnfinished;
  for (;;) {
    SEAMOUNT_TRY(store::CheckContext(context));
    SEAMOUNT_TRY(MakeFolderOf(folder + "/x"));
    Fd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!lock && errno == ENOENT) continue;  // its owner has just gone
    if (!lock) return base::OsError(errno, "opening the folder", folder);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
      struct stat mine {
      }, named{};  // it may have been removed, and made anew, before it was locked
      if (::fstat(lock.get(), &mine) == 0 && ::stat(folder.c_str(), &named) == 0 && mine.st_ino == named.st_ino)
        return Unfinished(folder, std::move(lock));
      continue;
    }
    if (errno != EWOULDBLOCK) return base::OsError(errno, "locking the folder", folder);
    base::RealClock().SleepFor(std::chrono::milliseconds(50), context.stop);
  }
}

Unfinished::~Unfinished() {
  if (lock_) (void)::rmdir(folder_.c_str());
}

// Named by the path: whatever version it is of, what lies there is checked.
NewFile::NewFile(const std::string& root, const Unfinished& unfinished, const File& file)
    : path_(root + "/" + file.path),
      temporary_(unfinished.folder() + "/" + ToHex(DigestOf(base::AsBytes(file.path)))),
      file_(file),
      left_(std::max<size_t>(file.chunks.size(), 1)) {}

Result<int> NewFile::Open() {
  const std::scoped_lock lock(mutex_);
  if (fd_) return fd_.get();
  fd_ = Fd(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!fd_) return base::OsError(errno, "making", temporary_);
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) return base::OsError(errno, "making", temporary_);
  fresh_ = status.st_size == 0;
  if (::ftruncate(fd_.get(), static_cast<off_t>(file_.size)) != 0) return base::OsError(errno, "making", temporary_);
  return fd_.get();
}

Result<bool> NewFile::Has(const Chunk& chunk, uint64_t offset) {
  SEAMOUNT_TRY_ASSIGN(const int fd, Open());
  if (fresh_) return false;
  return HasChunk(store::FileSource(fd, 0, file_.size), chunk, offset);
}

Result<void> NewFile::Put(uint64_t offset, const Bytes& data) {
  SEAMOUNT_TRY_ASSIGN(const int fd, Open());
  std::span<const std::byte> left = data.span();
  while (!left.empty()) {
    const ssize_t n = ::pwrite(fd, left.data(), left.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::OsError(errno, "writing", path_);
    left = left.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Result<void> NewFile::Done() {
  if (--left_ > 0) return {};
  return Finish();
}

Result<void> NewFile::Finish() {
  SEAMOUNT_TRY_ASSIGN(const int fd, Open());
  struct stat status {};
  if (::fstat(fd, &status) != 0 || ::fchmod(fd, ModeOf(status.st_mode, file_.executable)) != 0)
    return base::OsError(errno, "setting the mode of", path_);
  if (::fsync(fd) != 0) return base::OsError(errno, "writing", path_);
  SEAMOUNT_TRY(MakeFolderOf(path_));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return base::OsError(errno, "naming", path_);
  fd_.Close();
  return Sync(fs::path(path_).parent_path().string());
}

}  // namespace seamount::versions
