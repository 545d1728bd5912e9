#include "vfs/staging.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace seamount::vfs {
namespace {

constexpr const char* kKept = "kept";

Fault FromErrno(int error, const std::string& what) { return {error, what + ": " + std::strerror(error)}; }

// "a/b c.nc" → "a_b c.nc": one name of a local folder, short enough to be given a suffix.
std::string LocalName(std::string_view key) {
  constexpr size_t kLongest = 160;
  if (key.size() > kLongest) key.remove_prefix(key.size() - kLongest);
  std::string name(key);
  for (char& c : name) {
    if (c == '/' || c == '\n') c = '_';
  }
  return name;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string ToJson(const StagedRecord& record) {
  return fmt::format(
      "{{\n  \"source\": {},\n  \"key\": {},\n  \"base_generation\": {},\n  \"size_bytes\": {},\n"
      "  \"whole\": {},\n  \"reason\": {}\n}}\n",
      Quoted(record.source), Quoted(record.key), Quoted(record.base_generation), record.size_bytes, record.whole,
      Quoted(record.reason));
}

Outcome<void> CopyWhole(int from, int to) {
  std::vector<char> buffer(1 << 20);
  for (off_t at = 0;;) {
    const ssize_t got = pread(from, buffer.data(), buffer.size(), at);
    if (got == 0) return {};
    if (got < 0) return FromErrno(errno, "reading the staged file");
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = pwrite(to, buffer.data() + done, static_cast<size_t>(got - done), at + done);
      if (put < 0) return FromErrno(errno, "writing the kept file");
      done += put;
    }
    at += got;
  }
}

}  // namespace

Outcome<void> StagingFolder::Prepare() {
  SEAMOUNT_TRY_ASSIGN(folder_, OpenPrivateFolder(path_));
  SEAMOUNT_TRY(Create());
  return {};
}

Outcome<base::Fd> StagingFolder::Create() {
  int fd = openat(folder_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {  // no O_TMPFILE on this file system
    std::string name = "/proc/self/fd/" + std::to_string(folder_.get()) + "/staged-XXXXXX";
    fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) unlink(name.c_str());
  }
  if (fd < 0) return FromErrno(errno, "staging in '" + path_ + "'");
  return base::Fd(fd);
}

uint64_t StagingFolder::Room() const {
  struct statvfs disk = {};
  if (fstatvfs(folder_.get(), &disk) != 0) return 0;
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

Outcome<void> StagingFolder::CheckRoom(uint64_t bytes) const {
  const uint64_t room = Room();
  if (bytes <= room) return {};
  return Fault{ENOSPC, "the file would need " + std::to_string(bytes) + " bytes more in the staging folder '" + path_ +
                           "', whose disk has room for " + std::to_string(room)};
}

Outcome<std::string> StagingFolder::Keep(const base::Fd& file, const StagedRecord& record) {
  if (mkdirat(folder_.get(), kKept, 0700) != 0 && errno != EEXIST)
    return FromErrno(errno, "making '" + path_ + "/kept'");
  const base::Fd kept(openat(folder_.get(), kKept, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (kept.get() < 0) return FromErrno(errno, "opening '" + path_ + "/kept'");
  for (int attempt = 0;; ++attempt) {
    const std::string name =
        LocalName(record.key) + "." + std::to_string(std::time(nullptr)) + "." + std::to_string(attempt);
    // The record first, and on the disk: content without it could be anybody's.
    const base::Fd note(openat(kept.get(), (name + ".json").c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (note.get() < 0 && errno == EEXIST) continue;
    const std::string path = path_ + "/" + kKept + "/" + name;
    if (note.get() < 0) return FromErrno(errno, "keeping '" + path + ".json'");
    const std::string text = ToJson(record);
    if (write(note.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || fsync(note.get()) != 0) {
      return FromErrno(errno, "writing '" + path + ".json'");
    }
    const std::string self = "/proc/self/fd/" + std::to_string(file.get());
    if (linkat(AT_FDCWD, self.c_str(), kept.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      (void)fsync(file.get());
      return path;
    }
    if (errno == EEXIST) continue;
    const base::Fd copy(openat(kept.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (copy.get() < 0) return FromErrno(errno, "keeping '" + path + "'");
    SEAMOUNT_TRY(CopyWhole(file.get(), copy.get()));
    (void)fsync(copy.get());
    return path;
  }
}

}  // namespace seamount::vfs
