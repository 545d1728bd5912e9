// An open local file as a ByteSource that owns its descriptor.
#pragma once

#include <sys/stat.h>

#include <string>
#include <utility>

#include "source/dataset.h"
#include "store/byte_source.h"

namespace seamount::source {

// Thread-safe; movable until shared.
class LocalFile final : public store::ByteSource {
 public:
  static Result<LocalFile> Open(const std::string& path);
  LocalFile(LocalFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), identity_(std::move(other.identity_)) {}
  LocalFile& operator=(LocalFile&&) = delete;
  ~LocalFile() override;

  const FileIdentity& identity() const { return identity_; }
  uint64_t size() const override { return identity_.size_bytes; }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    return store::FileSource(fd_, 0, identity_.size_bytes).ReadAt(offset, into);
  }

 private:
  explicit LocalFile(int fd) : fd_(fd) {}
  Result<FileIdentity> Identify(const std::string& path) const;
  int fd_;
  FileIdentity identity_;
};

}  // namespace seamount::source
