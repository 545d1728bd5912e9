#include "prepare/kept_sums.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/checksum.h"
#include "base/fd.h"
#include "prepare/kept_folder.h"

namespace seamount::prepare {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxPartBytes = uint64_t{4} << 30;

struct Header {
  char magic[8] = {'s', 'm', 's', 'u', 'm', 's', '0', '1'};
  uint64_t layout = 0;
  uint64_t sizes[KeptSums::kVectors] = {};
  uint64_t crc32c = 0;
};

bool WriteAll(int fd, const void* data, size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(fd, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

bool ReadAll(int fd, void* data, size_t bytes) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::read(fd, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

KeptSums::KeptSums(const std::string& directory, std::string name)
    : folder_(KeptFolder(directory)), name_(std::move(name)) {}

std::string KeptSums::PathOf(uint64_t part) const { return folder_ + "/" + name_ + "-" + std::to_string(part); }

namespace {
bool ReadPart(int fd, uint64_t layout, const KeptSums::Vectors& into) {
  Header header;
  const Header expected;
  struct stat info = {};
  if (::fstat(fd, &info) != 0 || !ReadAll(fd, &header, sizeof header)) return false;
  if (std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0 || header.layout != layout) return false;
  uint64_t bytes = sizeof header;
  for (const uint64_t size : header.sizes) {
    if (size > kMaxPartBytes / sizeof(double)) return false;
    bytes += size * sizeof(double);
  }
  if (static_cast<uint64_t>(info.st_size) != bytes) return false;
  uint32_t crc32c = 0;
  for (size_t i = 0; i < into.size(); ++i) {
    into[i]->resize(header.sizes[i]);
    if (!ReadAll(fd, into[i]->data(), into[i]->size() * sizeof(double))) return false;
    crc32c = base::Crc32c(std::as_bytes(std::span(*into[i])), crc32c);
  }
  return crc32c == header.crc32c;
}

bool WritePart(int fd, uint64_t layout, const KeptSums::Vectors& from) {
  Header header;
  header.layout = layout;
  uint32_t crc32c = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    header.sizes[i] = from[i]->size();
    crc32c = base::Crc32c(std::as_bytes(std::span(*from[i])), crc32c);
  }
  header.crc32c = crc32c;
  if (!WriteAll(fd, &header, sizeof header)) return false;
  return std::all_of(from.begin(), from.end(), [&](const std::vector<double>* vector) {
    return WriteAll(fd, vector->data(), vector->size() * sizeof(double));
  });
}
}  // namespace

bool KeptSums::Read(uint64_t part, uint64_t layout, const Vectors& into) const {
  if (folder_.empty()) return false;
  const base::Fd fd(::open(PathOf(part).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return fd && ReadPart(fd.get(), layout, into);
}

void KeptSums::Write(uint64_t part, uint64_t layout, const Vectors& from) const {
  if (folder_.empty()) return;
  uint64_t bytes = 0;
  for (const std::vector<double>* vector : from) bytes += vector->size() * sizeof(double);
  struct statvfs disk = {};
  if (bytes > kMaxPartBytes || ::statvfs(folder_.c_str(), &disk) != 0) return;
  if (bytes > static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize / 4) return;  // others need room too
  const std::string path = PathOf(part);
  const std::string fresh = path + ".new";
  base::Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return;
  const bool written = WritePart(fd.get(), layout, from);
  fd.Close();
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) ::unlink(fresh.c_str());
}

void KeptSums::Remove() const {
  if (folder_.empty()) return;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    const std::string file = at->path().filename().string();
    if (IsKeptSum(file) && file.starts_with(name_ + "-")) ::unlink(at->path().c_str());
  }
  ::rmdir(folder_.c_str());  // when nothing else lies in it
}

}  // namespace seamount::prepare
