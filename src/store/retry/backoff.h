// How long to wait between attempts: exponential, with full jitter, so that clients that failed together do not come
// back together.
#pragma once

#include <algorithm>
#include <random>

#include "base/clock.h"

namespace seamount::store {

struct BackoffOptions {
  // Below a cloud round trip nothing has changed yet. Longer waits than these would sleep through the moments in which
  // a server that struggles is up.
  base::Duration initial = std::chrono::milliseconds(100);
  base::Duration longest = std::chrono::seconds(5);
};

// Not thread-safe: one per call.
class Backoff {
 public:
  explicit Backoff(const BackoffOptions& options, uint64_t seed = std::random_device{}())
      : options_(options), ceiling_(options.initial), random_(seed) {}

  // Uniform between nothing and a ceiling that doubles each time.
  base::Duration Next() {
    const auto wait = std::uniform_int_distribution<base::Duration::rep>(0, ceiling_.count())(random_);
    ceiling_ = std::min(ceiling_ * 2, options_.longest);
    return base::Duration(wait);
  }
  void Reset() { ceiling_ = options_.initial; }

 private:
  const BackoffOptions options_;
  base::Duration ceiling_;
  std::minstd_rand random_;
};

}  // namespace seamount::store
