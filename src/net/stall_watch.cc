#include "net/stall_watch.h"

#include "base/text.h"

namespace seamount::net {

std::string StallWatch::Check(uint64_t moved, base::SteadyTime now) {
  if (moved != moved_) {
    moved_ = moved;
    silent_since_ = now;
  }
  if (now >= silent_since_ + silence_) return "stalled: nothing was received for " + base::FormatDuration(silence_);
  if (now < window_began_ + 2 * silence_) return "";
  const uint64_t in_window = moved - moved_before_window_;
  const double seconds = std::chrono::duration<double>(now - window_began_).count();
  if (static_cast<double>(in_window) < static_cast<double>(bytes_per_s_) * seconds) {
    return "stalled: only " + base::FormatBytes(in_window) + " moved in " + base::FormatDuration(now - window_began_);
  }
  moved_before_window_ = moved;
  window_began_ = now;
  return "";
}

}  // namespace seamount::net
