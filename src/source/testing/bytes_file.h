// A File that lies in memory.
#pragma once

#include <string>
#include <string_view>

#include "source/file.h"

namespace seamount::source {

class BytesFile final : public File {
 public:
  BytesFile(std::string_view bytes, const std::string& name) : bytes_(bytes) {
    identity_.path = name;
    identity_.size_bytes = bytes.size();
  }
  const FileIdentity& identity() const override { return identity_; }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override { return bytes_.ReadAt(offset, into); }
  void Expect(std::span<const store::ByteSpan> /*parts*/) const override {}

 private:
  store::BytesSource bytes_;
  FileIdentity identity_;
};

}  // namespace seamount::source
