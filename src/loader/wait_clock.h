// Divides the time that the consumer waits for a batch between what it waits for.
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"
#include "loader/stats.h"

namespace seamount::loader {

// Not thread-safe. Runs from Start to Stop.
class WaitClock {
 public:
  explicit WaitClock(Stats& stats) : stats_(stats) {}
  bool running() const { return since_.has_value(); }
  // at_work: whether the workers have something of the batch to do; otherwise it is the network's turn.
  void Start(bool at_work, base::SteadyTime now) {
    since_ = now;
    at_work_ = at_work;
  }
  // From now on.
  void Change(bool at_work, base::SteadyTime now) {
    if (!running()) return;
    Count(now);
    Start(at_work, now);
  }
  void Stop(base::SteadyTime now) {
    Count(now);
    since_.reset();
  }

 private:
  void Count(base::SteadyTime now) {
    const double seconds = std::chrono::duration<double>(now - *since_).count();
    stats_.wait_seconds += seconds;
    (at_work_ ? stats_.wait_decode_seconds : stats_.wait_network_seconds) += seconds;
  }

  Stats& stats_;
  std::optional<base::SteadyTime> since_;
  bool at_work_ = false;
};

}  // namespace seamount::loader
