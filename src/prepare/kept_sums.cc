#include "prepare/kept_sums.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>

#include "base/checksum.h"
#include "base/fd.h"
#include "prepare/kept_folder.h"

namespace seamount::prepare {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxPartBytes = uint64_t{4} << 30;

// Before each part of a file.
struct Header {
  char magic[8] = {'s', 'm', 's', 'u', 'm', 's', '0', '2'};
  uint64_t layout = 0;
  uint64_t part = 0;
  uint64_t sizes[KeptSums::kVectors] = {};
  uint64_t crc32c = 0;

  // Of the vectors; nothing where it is none of this program's.
  std::optional<uint64_t> Bytes() const {
    const Header expected;
    if (std::memcmp(magic, expected.magic, sizeof magic) != 0) return std::nullopt;
    uint64_t bytes = 0;
    for (const uint64_t size : sizes) {
      if (size > kMaxPartBytes / sizeof(double)) return std::nullopt;
      bytes += size * sizeof(double);
    }
    return bytes;
  }
};

Header HeaderOf(uint64_t part, uint64_t layout, const KeptSums::Vectors& from) {
  Header header;
  header.layout = layout;
  header.part = part;
  uint32_t crc32c = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    header.sizes[i] = from[i]->size();
    crc32c = base::Crc32c(std::as_bytes(std::span(*from[i])), crc32c);
  }
  header.crc32c = crc32c;
  return header;
}

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

bool ReadAll(int fd, void* data, size_t bytes, uint64_t offset) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::pread(fd, at, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

base::Fd OpenKept(const std::string& path) { return base::Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)); }

}  // namespace

KeptSums::KeptSums(const std::string& directory, std::string name, uint64_t layout)
    : folder_(KeptFolder(directory)), name_(std::move(name)), layout_(layout) {
  if (folder_.empty()) return;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    const std::string file = at->path().filename().string();
    if (IsKeptSum(file) && file.starts_with(name_ + "-") && !file.ends_with(".new")) FindParts(at->path().string());
  }
}

void KeptSums::FindParts(const std::string& file) {
  const base::Fd fd = OpenKept(file);
  struct stat info = {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return;
  const auto size = static_cast<uint64_t>(info.st_size);
  Header header;
  for (uint64_t offset = 0; ReadAll(fd.get(), &header, sizeof header, offset);) {
    const auto bytes = header.Bytes();
    if (!bytes || offset + sizeof header + *bytes > size) return;
    if (header.layout == layout_) parts_[header.part] = {file, offset};
    offset += sizeof header + *bytes;
  }
}

bool KeptSums::Read(uint64_t part, const Vectors& into) const {
  const auto found = parts_.find(part);
  if (found == parts_.end()) return false;
  const base::Fd fd = OpenKept(found->second.path);
  Header header;
  uint64_t offset = found->second.offset;
  struct stat info = {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !ReadAll(fd.get(), &header, sizeof header, offset)) return false;
  offset += sizeof header;
  const auto bytes = header.Bytes();
  if (!bytes || header.layout != layout_ || header.part != part) return false;
  if (offset + *bytes > static_cast<uint64_t>(info.st_size)) return false;
  for (size_t i = 0; i < into.size(); ++i) {
    into[i]->resize(header.sizes[i]);
    if (!ReadAll(fd.get(), into[i]->data(), into[i]->size() * sizeof(double), offset)) return false;
    offset += into[i]->size() * sizeof(double);
  }
  return HeaderOf(part, layout_, into).crc32c == header.crc32c;
}

void KeptSums::Add(uint64_t part, const Vectors& from) {
  if (folder_.empty()) return;
  const Header header = HeaderOf(part, layout_, from);
  const std::optional<uint64_t> bytes = header.Bytes();
  if (!bytes) return;  // too large to keep
  if (*bytes > kGatheredBytes) {
    Write();
    WriteFile(part, sizeof header + *bytes, [&](int fd) {
      return WriteAll(fd, &header, sizeof header) &&
             std::all_of(from.begin(), from.end(), [&](const std::vector<double>* vector) {
               return WriteAll(fd, vector->data(), vector->size() * sizeof(double));
             });
    });
    return;
  }
  if (gathered_.empty()) first_gathered_ = part;
  const auto append = [&](const void* data, size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    gathered_.insert(gathered_.end(), begin, begin + size);
  };
  append(&header, sizeof header);
  for (const std::vector<double>* vector : from) append(vector->data(), vector->size() * sizeof(double));
}

uint64_t KeptSums::BytesOf(const Vectors& vectors) {
  uint64_t bytes = 0;
  for (const std::vector<double>* vector : vectors) bytes += vector->size() * sizeof(double);
  return bytes;
}

void KeptSums::Write() {
  if (gathered_.empty()) return;
  WriteFile(first_gathered_, gathered_.size(),
            [&](int fd) { return WriteAll(fd, gathered_.data(), gathered_.size()); });
  gathered_.clear();
}

template <class Body>
void KeptSums::WriteFile(uint64_t first, uint64_t bytes, const Body& body) {
  struct statvfs disk = {};
  if (::statvfs(folder_.c_str(), &disk) != 0) return;
  if (bytes > static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize / 4) return;  // others need room too
  const std::string path = folder_ + "/" + name_ + "-" + std::to_string(first);
  const std::string fresh = path + ".new";
  base::Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return;
  const bool written = body(fd.get());
  fd.Close();
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
    ::unlink(fresh.c_str());
    return;
  }
  FindParts(path);
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
