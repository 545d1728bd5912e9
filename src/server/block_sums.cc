#include "server/block_sums.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "base/checksum.h"

namespace seamount::server {
namespace {

constexpr size_t kSealBytes = 32;
constexpr char kMagic[8] = {'S', 'M', 'S', 'E', 'A', 'L', '1', '\n'};

template <class T>
void Put(std::byte* at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}

template <class T>
T Take(const std::byte* at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(std::to_integer<T>(at[i])) << (8 * i);
  return value;
}

// The whole of `into`, from `offset`.
Result<void> ReadAt(int fd, std::span<std::byte> into, uint64_t offset, const std::string& what) {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::DataLoss("reading " + what + ": " + std::strerror(errno));
    if (got == 0) return base::DataLoss(what + ": its file became shorter");
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return {};
}

}  // namespace

void BlockSums::Add(std::span<const std::byte> data) {
  crc32c_ = base::Crc32c(data, crc32c_);
  while (!data.empty()) {
    const uint64_t within = size_ % kSumBlockBytes;
    const auto part = data.first(std::min<uint64_t>(data.size(), kSumBlockBytes - within));
    if (within == 0) sums_.push_back(0);
    sums_.back() = base::Crc32c(part, sums_.back());
    size_ += part.size();
    data = data.subspan(part.size());
  }
}

std::vector<std::byte> BlockSums::Seal() const {
  std::vector<std::byte> out(SealBytes(size_));
  for (size_t i = 0; i < sums_.size(); ++i) Put(out.data() + 4 * i, sums_[i]);
  std::byte* seal = out.data() + 4 * sums_.size();
  std::memcpy(seal, kMagic, sizeof kMagic);
  Put<uint64_t>(seal + 8, size_);
  Put<uint32_t>(seal + 16, crc32c_);
  Put<uint32_t>(seal + 20, static_cast<uint32_t>(kSumBlockBytes));
  Put<uint32_t>(seal + 24, base::Crc32c(std::span(out).first(4 * sums_.size())));
  Put<uint32_t>(seal + 28, base::Crc32c({seal, 28}));
  return out;
}

Result<SealedFile> SealedFile::Open(int fd, uint64_t content_bytes, std::string what) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return base::DataLoss(what + ": " + std::strerror(errno));
  const auto size = static_cast<uint64_t>(info.st_size);
  SealedFile file(fd, content_bytes, std::move(what));
  if (size == content_bytes) return file;
  if (size != content_bytes + SealBytes(content_bytes))
    return base::DataLoss(file.what_ + ": its file is " + std::to_string(size) + " bytes long (expected " +
                          std::to_string(content_bytes + SealBytes(content_bytes)) + ")");
  std::byte seal[kSealBytes];
  SEAMOUNT_TRY(ReadAt(fd, seal, size - kSealBytes, file.what_));
  const bool whole = std::memcmp(seal, kMagic, sizeof kMagic) == 0 && Take<uint64_t>(seal + 8) == content_bytes &&
                     Take<uint32_t>(seal + 20) == kSumBlockBytes &&
                     Take<uint32_t>(seal + 28) == base::Crc32c(std::span(seal).first(28));
  if (!whole) return base::DataLoss(file.what_ + ": the seal of its file is damaged");
  file.sealed_ = true;
  file.crc32c_ = Take<uint32_t>(seal + 16);
  return file;
}

Result<SealedFile> SealedFile::OpenBySeal(int fd, std::string what) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return base::DataLoss(what + ": " + std::strerror(errno));
  const auto size = static_cast<uint64_t>(info.st_size);
  std::byte seal[kSealBytes] = {};
  if (size >= kSealBytes) SEAMOUNT_TRY(ReadAt(fd, seal, size - kSealBytes, what));
  if (std::memcmp(seal, kMagic, sizeof kMagic) != 0) return SealedFile(fd, size, std::move(what));
  const auto content_bytes = Take<uint64_t>(seal + 8);
  if (content_bytes > size) return base::DataLoss(what + ": the seal of its file is damaged");
  return Open(fd, content_bytes, std::move(what));
}

Result<std::vector<uint32_t>> SealedFile::Sums(uint64_t first, uint64_t count) const {
  std::vector<std::byte> bytes(4 * count);
  SEAMOUNT_TRY(ReadAt(fd_, bytes, size_ + 4 * first, what_));
  std::vector<uint32_t> sums(count);
  for (size_t i = 0; i < count; ++i) sums[i] = Take<uint32_t>(bytes.data() + 4 * i);
  return sums;
}

Result<void> SealedFile::Check(uint64_t begin, uint64_t end) const {
  if (!sealed_ || begin >= end) return {};
  const uint64_t first = begin / kSumBlockBytes;
  const uint64_t last = (std::min(end, size_) - 1) / kSumBlockBytes;
  SEAMOUNT_TRY_ASSIGN(const auto sums, Sums(first, last - first + 1));
  // In pieces that the processor's cache holds: what is read here is sent from the page cache afterwards.
  thread_local Buffer buffer(4 * kSumBlockBytes);
  for (uint64_t block = first; block <= last;) {
    const uint64_t from = block * kSumBlockBytes;
    const uint64_t until = std::min({size_, from + buffer.size(), (last + 1) * kSumBlockBytes});
    const auto data = buffer.span().first(until - from);
    SEAMOUNT_TRY(ReadAt(fd_, data, from, what_));
    for (uint64_t at = 0; at < data.size(); at += kSumBlockBytes, ++block) {
      const auto part = data.subspan(at, std::min<uint64_t>(kSumBlockBytes, data.size() - at));
      if (base::Crc32c(part) == sums[block - first]) continue;
      return base::DataLoss(what_ + ": bytes " + std::to_string(from + at) + " to " +
                            std::to_string(from + at + part.size() - 1) + " of its file are damaged");
    }
  }
  return {};
}

Result<void> ReadThrough(int fd, const std::string& what,
                         const std::function<Result<void>(std::span<const std::byte>)>& take) {
  Buffer buffer(1 << 20);
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::DataLoss("reading " + what + ": " + std::strerror(errno));
    if (got == 0) return {};
    SEAMOUNT_TRY(take(buffer.span().first(static_cast<size_t>(got))));
  }
}

}  // namespace seamount::server
