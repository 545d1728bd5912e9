// A local file that does not hold a descriptor while nobody reads.
#pragma once

#include <memory>
#include <string>

#include "source/file.h"

namespace seamount::source {

// Thread-safe. Of all files together a bounded number is open: those read last. One that is opened again and is no
// longer what it was is DataLoss.
class LocalFile final : public File {
 public:
  // NotFound, PermissionDenied, InvalidArgument (no regular file), ResourceExhausted (too many open files).
  static Result<std::shared_ptr<const LocalFile>> Open(const std::string& path);

  const FileIdentity& identity() const override { return identity_; }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override;
  void Expect(std::span<const store::ByteSpan> /*parts*/) const override {}  // the system reads ahead

 private:
  explicit LocalFile(FileIdentity identity) : identity_(std::move(identity)) {}
  const FileIdentity identity_;
};

// DataLoss when the local file of that name is no longer what was opened: what was read may be a mixture.
Result<void> CheckUnchanged(const FileIdentity& file);

}  // namespace seamount::source
