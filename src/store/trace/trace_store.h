// Counts what goes through a store: calls, errors, bytes and time, by kind.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "store/decorated_store.h"

namespace seamount::store {

inline constexpr size_t kCallKinds = 9;
std::string_view CallName(CallKind kind);

struct CallStats {
  uint64_t calls = 0;
  uint64_t errors = 0;  // of these calls; an absent object is none
  uint64_t bytes = 0;   // read or written as content
  base::Duration total{0};
  base::Duration slowest{0};
};

struct TraceStats {
  std::array<CallStats, kCallKinds> kinds;

  const CallStats& of(CallKind kind) const { return kinds[static_cast<size_t>(kind)]; }
  uint64_t calls() const;
  uint64_t errors() const;
};

// Thread-safe; counting costs a few atomic additions a call.
class TraceStore final : public DecoratedStore<TraceStore> {
 public:
  explicit TraceStore(std::shared_ptr<Store> inner) : DecoratedStore(std::move(inner)) {}
  // The counts so far. Calls in progress are not in it.
  TraceStats Snapshot() const;

  template <class T, class Call>
  Result<T> Around(const StoreCall& which, const Call& call) {
    const auto start = std::chrono::steady_clock::now();
    Result<T> result = call();
    Count(which.kind, std::chrono::steady_clock::now() - start, result.has_value(), MovedBytes(which, result));
    return result;
  }

 private:
  struct Counters {
    std::atomic<uint64_t> calls = 0;
    std::atomic<uint64_t> errors = 0;
    std::atomic<uint64_t> bytes = 0;
    std::atomic<base::Duration::rep> total_ns = 0;
    std::atomic<base::Duration::rep> slowest_ns = 0;
  };
  void Count(CallKind kind, base::Duration took, bool ok, uint64_t bytes);

  std::array<Counters, kCallKinds> counters_;
};

}  // namespace seamount::store
