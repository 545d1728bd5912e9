// A local file as a ByteSource that does not hold a descriptor while nobody reads.
#pragma once

#include <memory>
#include <string>

#include "source/dataset.h"
#include "store/byte_source.h"

namespace seamount::source {

// Thread-safe. Of all files together a bounded number is open: those read last. One that is opened again and is no
// longer what it was is DataLoss.
class LocalFile final : public store::ByteSource {
 public:
  // NotFound, PermissionDenied, InvalidArgument (no regular file), ResourceExhausted (too many open files).
  static Result<std::shared_ptr<const LocalFile>> Open(const std::string& path);

  const FileIdentity& identity() const { return identity_; }
  uint64_t size() const override { return identity_.size_bytes; }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override;

 private:
  explicit LocalFile(FileIdentity identity) : identity_(std::move(identity)) {}
  const FileIdentity identity_;
};

// DataLoss when the local file of that name is no longer what was opened: what was read may be a mixture.
Result<void> CheckUnchanged(const FileIdentity& file);

}  // namespace seamount::source
