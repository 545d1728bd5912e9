// Checksums by block, so that damage on the disk is seen whatever part of a content is read. They lie behind the
// content in its own file, so that both are durable together and a content can be checked without its catalog:
//
//   content │ CRC32C of each 64 KiB of it, 4 bytes each, little endian │ seal: 32 bytes
//
// The seal holds the content's size and CRC32C, and a CRC32C of the sums and of itself. Contents that versions before
// format 3 of the catalog wrote have none: their file is the content alone.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace seamount::server {

constexpr uint64_t kSumBlockBytes = 64 << 10;

// Bytes of a sealed file that are not the content.
constexpr uint64_t SealBytes(uint64_t content_bytes) {
  return (content_bytes + kSumBlockBytes - 1) / kSumBlockBytes * 4 + 32;
}

// Taken of content that passes through in order.
class BlockSums {
 public:
  void Add(std::span<const std::byte> data);
  uint64_t size() const { return size_; }
  // Of the whole.
  uint32_t crc32c() const { return crc32c_; }
  // What follows the content in a file.
  std::vector<std::byte> Seal() const;

 private:
  std::vector<uint32_t> sums_;
  uint64_t size_ = 0;
  uint32_t crc32c_ = 0;
};

// A content's file, checked while it is read. Does not own the descriptor. Used by one thread at a time.
class SealedFile {
 public:
  // `what` names the content in errors. DataLoss where the file is neither `content_bytes` long, which is unsealed, nor
  // so long and sealed.
  static Result<SealedFile> Open(int fd, uint64_t content_bytes, std::string what);
  // The same where the content's length is not known: it is what the seal says, and without one the whole file.
  static Result<SealedFile> OpenBySeal(int fd, std::string what);
  bool sealed() const { return sealed_; }
  uint64_t size() const { return size_; }  // of the content
  // Of the whole content; of a sealed one.
  uint32_t crc32c() const { return crc32c_; }
  // DataLoss unless every block that [begin, end) touches is as it was written. An unsealed file passes.
  Result<void> Check(uint64_t begin, uint64_t end) const;

 private:
  SealedFile(int fd, uint64_t size, std::string what) : fd_(fd), size_(size), what_(std::move(what)) {}
  Result<std::vector<uint32_t>> Sums(uint64_t first, uint64_t count) const;

  int fd_;
  uint64_t size_;
  std::string what_;
  bool sealed_ = false;
  uint32_t crc32c_ = 0;
};

// Hands the bytes of a file to `take`, in order. DataLoss, naming `what`, where they cannot be read.
Result<void> ReadThrough(int fd, const std::string& what,
                         const std::function<Result<void>(std::span<const std::byte>)>& take);

}  // namespace seamount::server
