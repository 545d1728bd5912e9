#include "base/clock.h"

#include <condition_variable>
#include <mutex>

namespace seamount::base {
namespace {

class SystemClock final : public Clock {
 public:
  SteadyTime Now() override { return std::chrono::steady_clock::now(); }
  SystemTime WallNow() override { return std::chrono::system_clock::now(); }
  bool SleepFor(Duration duration, std::stop_token stop) override {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, duration, [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Clock& RealClock() {
  static SystemClock clock;
  return clock;
}

struct FakeClock::State {
  std::mutex mutex;
  Duration elapsed{0};
};

FakeClock::FakeClock() : state_(std::make_unique<State>()) {}
FakeClock::~FakeClock() = default;

SteadyTime FakeClock::Now() {
  std::scoped_lock lock(state_->mutex);
  return SteadyTime(std::chrono::hours(1) + state_->elapsed);
}

SystemTime FakeClock::WallNow() {
  std::scoped_lock lock(state_->mutex);
  constexpr auto kStart = std::chrono::seconds(1'767'225'600);  // 2026-01-01T00:00:00Z
  return SystemTime(std::chrono::duration_cast<SystemTime::duration>(kStart + state_->elapsed));
}

bool FakeClock::SleepFor(Duration duration, std::stop_token stop) {
  if (stop.stop_requested()) return false;
  Advance(duration);
  return true;
}

void FakeClock::Advance(Duration duration) {
  std::scoped_lock lock(state_->mutex);
  state_->elapsed += duration;
}

}  // namespace seamount::base
