// Temporary memory for a decode or encode step, kept by the thread between uses: a fresh allocation of a chunk's size
// costs a page fault for every 4 KiB, more than lz4 needs to fill it.
#pragma once

#include "base/bytes.h"

namespace seamount::zarr {

// At least `size` bytes until destruction. Several may be alive at once. Uninitialised.
class Scratch {
 public:
  explicit Scratch(size_t size);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::span<std::byte> span() { return buffer_.span().first(size_); }

 private:
  Buffer buffer_;
  size_t size_;
};

}  // namespace seamount::zarr
