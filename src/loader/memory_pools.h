// Memory that is used again: a fresh 33 MB batch costs eight thousand page faults, which on two cores is a tenth of the
// loader's speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"

namespace seamount::loader {

// Buffers of one size that come back when their last user drops them, wherever that is: in Python, for one.
// Thread-safe.
class BatchPool : public std::enable_shared_from_this<BatchPool> {
 public:
  // Keeps up to `spares` buffers that nobody uses.
  static std::shared_ptr<BatchPool> Make(size_t bytes, size_t spares);
  ~BatchPool();
  // Uninitialised; aligned to 64 bytes. It keeps the pool alive.
  std::shared_ptr<std::byte> Take();

 private:
  BatchPool(size_t bytes, size_t spares) : bytes_(bytes), spares_(spares) {}
  void Give(std::byte* buffer);
  const size_t bytes_;
  const size_t spares_;
  std::mutex mutex_;
  std::vector<std::byte*> free_;
};

// Decoded chunks, of a few sizes. Thread-safe. Holds, together with what was taken and what LeaveRoom said, at most
// limit_bytes, as long as the callers do.
class ChunkPool {
 public:
  explicit ChunkPool(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  Buffer Take(size_t bytes);
  void Give(Buffer buffer);
  // How much of the limit is others' from now on: that many buffers less are kept free.
  void LeaveRoom(uint64_t bytes);
  uint64_t bytes() const;  // taken and free

 private:
  void Shrink();
  const uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  uint64_t others_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  std::unordered_map<size_t, std::vector<Buffer>> free_;
};

}  // namespace seamount::loader
