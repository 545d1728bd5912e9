// Time as an interface, so that retry, deadlines and leases are tested without waiting.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>

namespace seamount::base {

using SteadyTime = std::chrono::steady_clock::time_point;
using SystemTime = std::chrono::system_clock::time_point;
using Duration = std::chrono::nanoseconds;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() = 0;
  virtual SystemTime WallNow() = 0;
  // Returns early (false) when stop is requested; true when the time has passed.
  virtual bool SleepFor(Duration duration, std::stop_token stop) = 0;
};

// The machine's clock; lives for ever.
Clock& RealClock();

// A clock that moves only when told to, or when somebody sleeps on it. Thread-safe.
class FakeClock final : public Clock {
 public:
  FakeClock();
  ~FakeClock() override;
  SteadyTime Now() override;
  SystemTime WallNow() override;
  // Advances the clock by `duration` at once.
  bool SleepFor(Duration duration, std::stop_token stop) override;
  void Advance(Duration duration);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The limits of one call: who may stop it, and when it must have ended. Passed down, never stored.
struct CallContext {
  std::stop_token stop = {};
  SteadyTime deadline = SteadyTime::max();
};

}  // namespace seamount::base

namespace seamount {
using base::CallContext;
}  // namespace seamount
