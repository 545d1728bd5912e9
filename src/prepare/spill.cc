#include "prepare/spill.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "base/checksum.h"
#include "base/os_error.h"
#include "prepare/fingerprints.h"
#include "prepare/kept_folder.h"

namespace seamount::prepare {
namespace {

constexpr uint64_t kPage = 4096;

struct Header {
  uint64_t magic = 0x3130'6c6c'6970'7373;  // also tells a file of another byte order
  uint64_t slabs = 0;
  uint64_t tasks = 0;
  uint64_t crc32c = 0;  // of the tasks
};

// Empty where there is no name to be had.
std::string PathOf(const std::string& directory, const std::string& fingerprint) {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  const std::string folder = boot.empty() ? "" : KeptFolder(directory);
  return folder.empty() ? "" : KeptSpillPath(folder, Fingerprint("spill " + boot + "\n" + fingerprint));
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Error Spill::Failed(const char* what) const {
  const Error error = base::OsError(errno, std::string(what) + " the spill file in", directory_);
  return {error.code(), error.message() + " (--spill names another folder)"};
}

Result<Spill> Spill::MakeNameless(const std::string& directory, uint64_t slabs) {
  std::string chosen = SpillDirectory(directory);
  base::Fd fd(::open(chosen.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {  // not every file system can
    std::string name = chosen + "/seamount-spill-XXXXXX";
    fd = base::Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (fd) ::unlink(name.c_str());
  }
  Spill spill(std::move(fd), std::move(chosen), slabs);
  if (!spill.fd_) return spill.Failed("making");
  return spill;
}

Result<Spill> Spill::Open(const std::string& directory, const std::string& fingerprint, uint64_t slabs) {
  std::string path = PathOf(directory, fingerprint);
  base::Fd fd = path.empty() ? base::Fd() : OpenKeptSpill(path);
  if (!fd) return MakeNameless(directory, slabs);
  Spill spill(std::move(fd), SpillDirectory(directory), slabs);
  spill.path_ = std::move(path);
  if (!spill.ReadHeader()) {
    spill.tasks_.clear();
    spill.marks_.assign(slabs, std::byte{0});
  }
  return spill;
}

void Spill::Forget(const std::string& directory, const std::string& fingerprint) {
  const std::string path = PathOf(directory, fingerprint);
  if (path.empty()) return;
  RemoveKeptSpill(path);
  ::rmdir(FolderOf(path).c_str());  // when nothing else lies in it
}

void Spill::Remove() const {
  if (path_.empty()) return;
  ::unlink(path_.c_str());
  ::rmdir(FolderOf(path_).c_str());
}

std::string Spill::kept_in() const { return path_.empty() ? "" : FolderOf(path_); }

uint64_t Spill::MarksStart() const { return sizeof(Header) + tasks_.size() * sizeof(uint64_t); }

uint64_t Spill::ContentStart() const { return (MarksStart() + marks_.size() + kPage - 1) / kPage * kPage; }

// False for what was not begun, was begun by half, or is damaged.
bool Spill::ReadHeader() {
  Header header;
  struct stat info = {};
  if (::fstat(fd_.get(), &info) != 0) return false;
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size < sizeof header) return false;
  if (!ReadAt(0, std::as_writable_bytes(std::span(&header, 1)))) return false;
  if (header.magic != Header{}.magic || header.slabs != marks_.size()) return false;
  if (header.tasks > (size - sizeof header) / sizeof(uint64_t)) return false;
  tasks_.resize(header.tasks);
  if (size < MarksStart() + marks_.size()) return false;
  return ReadAt(sizeof header, std::as_writable_bytes(std::span(tasks_))) &&
         base::Crc32c(std::as_bytes(std::span(tasks_))) == header.crc32c && ReadAt(MarksStart(), marks_);
}

Result<void> Spill::Begin(std::vector<uint64_t> tasks) {
  tasks_ = std::move(tasks);
  marks_.assign(marks_.size(), std::byte{0});
  if (::ftruncate(fd_.get(), 0) != 0 || ::ftruncate(fd_.get(), static_cast<off_t>(ContentStart())) != 0) {
    return Failed("emptying");
  }
  Header header;
  header.slabs = marks_.size();
  header.tasks = tasks_.size();
  header.crc32c = base::Crc32c(std::as_bytes(std::span(tasks_)));
  SEAMOUNT_TRY(WriteAt(0, std::as_bytes(std::span(&header, 1))));
  return WriteAt(sizeof header, std::as_bytes(std::span(tasks_)));
}

Result<void> Spill::Mark(uint64_t slab) const { return WriteAt(MarksStart() + slab, std::span(&kMarked, 1)); }

Result<uint64_t> Spill::Room() const {
  struct statvfs disk = {};
  struct stat info = {};
  if (::fstatvfs(fd_.get(), &disk) != 0 || ::fstat(fd_.get(), &info) != 0) return Failed("measuring the room for");
  constexpr uint64_t kStatBlock = 512;
  return (static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize + static_cast<uint64_t>(info.st_blocks) * kStatBlock) /
         2;
}

Result<void> Spill::Write(uint64_t offset, std::span<const std::byte> from) const {
  return WriteAt(ContentStart() + offset, from);
}

Result<void> Spill::Read(uint64_t offset, std::span<std::byte> into) const {
  return ReadAt(ContentStart() + offset, into);
}

Result<void> Spill::WriteAt(uint64_t at, std::span<const std::byte> from) const {
  while (!from.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), from.data(), from.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("writing");
    at += static_cast<uint64_t>(n);
    from = from.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<void> Spill::ReadAt(uint64_t at, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t n = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) return Failed("reading");
    at += static_cast<uint64_t>(n);
    into = into.subspan(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace seamount::prepare
