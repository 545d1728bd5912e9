// The bytes of one source file, wherever it lies: what drivers read.
#pragma once

#include <span>

#include "source/dataset.h"
#include "store/byte_source.h"
#include "store/store.h"

namespace seamount::source {

// Thread-safe. A file that is no longer what was opened is DataLoss.
class File : public store::ByteSource {
 public:
  virtual const FileIdentity& identity() const = 0;
  uint64_t size() const override { return identity().size_bytes; }
  // These parts will be read next, in this order: what lies far away is asked for meanwhile, as much as there is room
  // for. Only a hint; errors show where the bytes are read.
  virtual void Expect(std::span<const store::ByteSpan> parts) const = 0;
};

}  // namespace seamount::source
