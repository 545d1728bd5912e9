// When a transfer has stalled: it moves nothing, or so little that it would never end.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace seamount::net {

class StallWatch {
 public:
  // Stalled is what moves nothing for `silence`, or fewer than `bytes_per_s` over twice that time: a single byte now
  // and then is no progress.
  StallWatch(base::Duration silence, uint64_t bytes_per_s, base::SteadyTime now)
      : silence_(silence), bytes_per_s_(bytes_per_s), silent_since_(now), window_began_(now) {}

  // `moved` bytes so far. Empty: it goes on; otherwise what is wrong.
  std::string Check(uint64_t moved, base::SteadyTime now);
  // When to look again at the latest.
  base::SteadyTime next() const { return std::min(silent_since_ + silence_, window_began_ + 2 * silence_); }

 private:
  const base::Duration silence_;
  const uint64_t bytes_per_s_;
  uint64_t moved_ = 0;
  base::SteadyTime silent_since_;
  uint64_t moved_before_window_ = 0;
  base::SteadyTime window_began_;
};

}  // namespace seamount::net
