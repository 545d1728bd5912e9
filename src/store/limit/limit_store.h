// Bounds how much of a store is used at once: calls in progress, and bytes per second.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "store/store.h"

namespace seamount::store {

struct LimitOptions {
  int max_calls = 0;              // in progress at once; 0: any number
  uint64_t bytes_per_second = 0;  // of content, read and written together; 0: any
  base::Clock* clock = &base::RealClock();
};

// Thread-safe. Calls wait for their turn, within their deadline. The rate is kept by holding a call back after it has
// moved its bytes (their number is known only then), so a single large call is not slowed while it runs.
std::shared_ptr<Store> MakeLimitStore(std::shared_ptr<Store> inner, const LimitOptions& options);

}  // namespace seamount::store
