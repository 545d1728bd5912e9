// One ledger of memory for a process: whoever holds bytes holds a lease on them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::exec {

class ByteBudget;

// Bytes held from a budget, given back on destruction. Movable.
class ByteLease {
 public:
  ByteLease() = default;
  ByteLease(ByteLease&& other) noexcept;
  ByteLease& operator=(ByteLease&& other) noexcept;
  ~ByteLease() { Release(); }
  uint64_t bytes() const { return bytes_; }
  void Release();

 private:
  friend class ByteBudget;
  ByteLease(ByteBudget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
  ByteBudget* budget_ = nullptr;
  uint64_t bytes_ = 0;
};

// Thread-safe; outlives its leases. A single request larger than the whole budget is granted when nothing else is
// held, so that one big chunk makes progress instead of waiting for ever.
class ByteBudget {
 public:
  explicit ByteBudget(uint64_t limit_bytes) : limit_(limit_bytes) {}
  // Waits for room. Cancelled on stop, ResourceExhausted at the deadline.
  Result<ByteLease> Acquire(uint64_t bytes, const CallContext& context);
  // Never waits; an empty lease (bytes() == 0) when there is no room.
  ByteLease TryAcquire(uint64_t bytes);
  uint64_t limit() const { return limit_; }
  uint64_t used() const;
  uint64_t peak() const;

 private:
  friend class ByteLease;
  bool Fits(uint64_t bytes) const { return used_ == 0 || (bytes <= limit_ && used_ <= limit_ - bytes); }
  void Take(uint64_t bytes);
  void Give(uint64_t bytes);

  const uint64_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable_any freed_;
  uint64_t used_ = 0;
  uint64_t peak_ = 0;
};

}  // namespace seamount::exec
