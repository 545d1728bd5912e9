// What a Write uploads. It can be read again from any offset, so that a retry or a resumed upload needs no copy.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace seamount::store {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  // Fills `into` wholly from `offset`. Thread-safe. A source that has become shorter is DataLoss.
  virtual Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const = 0;
};

class BytesSource final : public ByteSource {
 public:
  explicit BytesSource(Bytes bytes) : bytes_(std::move(bytes)) {}
  explicit BytesSource(std::string_view text) : bytes_(Bytes::Copy(text)) {}
  uint64_t size() const override { return bytes_.size(); }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override;

 private:
  Bytes bytes_;
};

// A range of an open file; does not own the descriptor. Reads with pread.
class FileSource final : public ByteSource {
 public:
  FileSource(int fd, uint64_t offset, uint64_t size) : fd_(fd), offset_(offset), size_(size) {}
  uint64_t size() const override { return size_; }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override;

 private:
  int fd_;
  uint64_t offset_;
  uint64_t size_;
};

}  // namespace seamount::store
