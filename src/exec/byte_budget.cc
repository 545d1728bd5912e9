#include "exec/byte_budget.h"

#include <algorithm>

#include "base/text.h"

namespace seamount::exec {

ByteLease::ByteLease(ByteLease&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

ByteLease& ByteLease::operator=(ByteLease&& other) noexcept {
  if (this != &other) {
    Release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void ByteLease::Release() {
  if (budget_ != nullptr) budget_->Give(bytes_);
  budget_ = nullptr;
  bytes_ = 0;
}

Result<ByteLease> ByteBudget::Acquire(uint64_t bytes, const CallContext& context) {
  std::unique_lock lock(mutex_);
  const auto fits = [&] { return Fits(bytes); };
  bool granted = false;
  // wait_until(max) overflows in some library versions, so no deadline means a plain wait.
  if (context.deadline == base::SteadyTime::max()) {
    granted = freed_.wait(lock, context.stop, fits);
  } else {
    granted = freed_.wait_until(lock, context.stop, context.deadline, fits);
  }
  if (!granted) {
    if (context.stop.stop_requested()) return base::Cancelled("waiting for memory: stop was requested");
    return base::ResourceExhausted("waiting for " + base::FormatBytes(bytes) + " of a memory budget of " +
                                   base::FormatBytes(limit_) + ": none was freed before the deadline");
  }
  Take(bytes);
  return ByteLease(this, bytes);
}

ByteLease ByteBudget::TryAcquire(uint64_t bytes) {
  std::scoped_lock lock(mutex_);
  if (!Fits(bytes)) return {};
  Take(bytes);
  return {this, bytes};
}

void ByteBudget::Take(uint64_t bytes) {
  used_ += bytes;
  peak_ = std::max(peak_, used_);
}

void ByteBudget::Give(uint64_t bytes) {
  {
    std::scoped_lock lock(mutex_);
    used_ -= bytes;
  }
  freed_.notify_all();
}

uint64_t ByteBudget::used() const {
  std::scoped_lock lock(mutex_);
  return used_;
}

uint64_t ByteBudget::peak() const {
  std::scoped_lock lock(mutex_);
  return peak_;
}

}  // namespace seamount::exec
