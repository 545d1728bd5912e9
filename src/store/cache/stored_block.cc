#include "store/cache/stored_block.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/checksum.h"
#include "store/cache/cache_plan.h"

namespace seamount::store {
namespace {

using base::Fd;

bool ReadWhole(int fd, std::span<std::byte> into, uint64_t offset) {
  while (!into.empty()) {
    const ssize_t n = pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    into = into.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return true;
}

std::optional<BlockHeader> ReadHeader(int fd, uint64_t at, uint64_t file_bytes) {
  EncodedBlockHeader bytes;
  if (at + kBlockHeaderBytes > file_bytes || !ReadWhole(fd, bytes, at)) return std::nullopt;
  auto header = DecodeBlockHeader(bytes);
  if (header && at + kBlockHeaderBytes + header->payload_bytes > file_bytes) return std::nullopt;
  return header;
}

// Up to what is no part, or one of something else: the end, or what a writer left that was killed or is at it.
std::vector<BlockHeader> ReadHeaders(int fd, uint64_t file_bytes) {
  std::vector<BlockHeader> headers;
  for (uint64_t at = 0; headers.size() < kMostParts;) {
    auto header = ReadHeader(fd, at, file_bytes);
    if (!header) break;
    at += PartFileBytes(header->payload_bytes);
    const bool another =
        !headers.empty() && (header->id != headers.front().id || header->generation != headers.front().generation ||
                             header->object_bytes != headers.front().object_bytes);
    if (another) break;
    headers.push_back(*std::move(header));
  }
  return headers;
}

std::vector<ByteSpan> PartsOf(const std::vector<BlockHeader>& headers) {
  std::vector<ByteSpan> parts;
  for (const BlockHeader& header : headers) parts.push_back(SpanOf(header));
  return Normalized(std::move(parts));
}

uint64_t FileBytesOf(const std::vector<BlockHeader>& headers) {
  uint64_t bytes = 0;
  for (const BlockHeader& header : headers) bytes += PartFileBytes(header.payload_bytes);
  return bytes;
}

uint64_t RoundUp(uint64_t at) { return (at + kChecksummedBytes - 1) / kChecksummedBytes * kChecksummedBytes; }

}  // namespace

uint64_t PartFileBytes(uint64_t payload_bytes) {
  return kBlockHeaderBytes + (payload_bytes + kBlockHeaderBytes - 1) / kBlockHeaderBytes * kBlockHeaderBytes;
}

ByteSpan SpanOf(const BlockHeader& header) {
  const uint64_t begin = header.id.begin() + header.payload_begin;
  return {begin, begin + header.payload_bytes};
}

StoredBlock::StoredBlock(Fd fd, std::string path, std::vector<BlockHeader> headers, uint64_t file_bytes)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      headers_(std::move(headers)),
      parts_(PartsOf(headers_)),
      file_bytes_(file_bytes),
      append_at_(FileBytesOf(headers_)) {}

std::shared_ptr<const StoredBlock> StoredBlock::Open(std::string path, const BlockId& id, struct stat& status,
                                                     bool& damaged) {
  damaged = false;
  // A pipe or a device in a block's place must not hold up its readers.
  Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return nullptr;
  damaged = true;
  if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
  const auto file_bytes = static_cast<uint64_t>(status.st_size);
  auto headers = ReadHeaders(fd.get(), file_bytes);
  if (headers.empty()) return nullptr;
  damaged = false;
  if (headers.front().id != id) return nullptr;  // of the same hash
  return std::make_shared<StoredBlock>(std::move(fd), std::move(path), std::move(headers), file_bytes);
}

bool StoredBlock::Current(struct stat& status) const {
  return fstat(fd(), &status) == 0 && status.st_nlink > 0 && static_cast<uint64_t>(status.st_size) == file_bytes_;
}

size_t StoredBlock::Read(uint64_t offset, std::span<std::byte> into) const {
  uint64_t payload_at = kBlockHeaderBytes;
  for (const BlockHeader& header : headers_) {
    const ByteSpan part = SpanOf(header);
    if (part.begin <= offset && offset < part.end) {
      // Whole checksummed pieces go straight to their place, all at once; one in part at either end by way of a copy.
      into = into.first(std::min<uint64_t>(into.size(), part.end - offset));
      const uint64_t from = offset - part.begin;
      const uint64_t to = from + into.size();
      const uint64_t whole_from = std::min(RoundUp(from), to);
      const uint64_t whole_to =
          to == part.size() ? to : std::max(whole_from, to / kChecksummedBytes * kChecksummedBytes);
      const auto piece = [&](uint64_t first, uint64_t last) { return into.subspan(first - from, last - first); };
      const bool sound = ReadInside(header, payload_at, from, piece(from, whole_from)) &&
                         ReadPieces(header, payload_at, whole_from, piece(whole_from, whole_to)) &&
                         ReadInside(header, payload_at, whole_to, piece(whole_to, to));
      return sound ? into.size() : 0;
    }
    payload_at += PartFileBytes(header.payload_bytes);
  }
  return 0;
}

// Whole checksummed pieces of a payload from the beginning of one.
bool StoredBlock::ReadPieces(const BlockHeader& header, uint64_t payload_at, uint64_t from,
                             std::span<std::byte> into) const {
  if (into.empty()) return true;
  if (!ReadWhole(fd(), into, payload_at + from)) return false;
  for (uint64_t index = from / kChecksummedBytes; !into.empty(); ++index) {
    const auto one = into.first(std::min<size_t>(into.size(), kChecksummedBytes));
    if (base::Crc32c(one) != header.crc32c[index]) return false;
    into = into.subspan(one.size());
  }
  return true;
}

// Bytes that lie within one checksummed piece of a payload, and are not all of it.
bool StoredBlock::ReadInside(const BlockHeader& header, uint64_t payload_at, uint64_t from,
                             std::span<std::byte> into) const {
  if (into.empty()) return true;
  const uint64_t begin = from / kChecksummedBytes * kChecksummedBytes;
  Buffer whole(std::min<uint64_t>(kChecksummedBytes, header.payload_bytes - begin));
  if (!ReadPieces(header, payload_at, begin, whole.span())) return false;
  std::memcpy(into.data(), whole.data() + (from - begin), into.size());
  return true;
}

}  // namespace seamount::store
