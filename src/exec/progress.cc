#include "exec/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/text.h"

namespace seamount::exec {
namespace {
using Clock = std::chrono::steady_clock;
constexpr auto kQuiet = std::chrono::seconds(2);         // shorter work shows nothing
constexpr auto kFrame = std::chrono::milliseconds(100);  // on a terminal
constexpr auto kLogInterval = std::chrono::seconds(10);  // in a log file
constexpr auto kJsonInterval = std::chrono::milliseconds(200);
constexpr int kBarWidth = 30;

std::atomic<bool> json_lines = false;

// A terminal that takes a line back and draws it again.
bool IsTerminal() {
  const char* const kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
}

// A line that wraps cannot be taken back: it stays, one for each frame. 80 where the terminal does not tell.
size_t TerminalWidth() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
}  // namespace

struct Progress::State {
  std::string label;
  uint64_t total = 0;
  bool unit_bytes = false;
  bool terminal = false;
  bool json = false;
  bool shown = false;
  Clock::time_point start = Clock::now();
  std::atomic<uint64_t> done = 0;
  std::mutex mutex;
  std::condition_variable wake;
  bool closing = false;
  std::thread thread;

  std::string Amount(uint64_t n) const { return unit_bytes ? base::FormatBytes(n) : std::to_string(n); }

  std::string Line() const {
    const uint64_t now = done.load();
    const auto elapsed = Clock::now() - start;
    std::string line = label + " ";
    if (total > 0) {
      const double share = std::min(1.0, static_cast<double>(now) / static_cast<double>(total));
      const int filled = static_cast<int>(share * kBarWidth);
      line += "[" + std::string(static_cast<size_t>(filled), '#') +
              std::string(static_cast<size_t>(kBarWidth - filled), '.') + "] " +
              std::to_string(static_cast<int>(share * 100)) + "% ";
    }
    line += Amount(now);
    if (total > 0) line += " of " + Amount(total);
    const double seconds = std::chrono::duration<double>(elapsed).count();
    if (unit_bytes && seconds > 0) {
      line += ", " + base::FormatBytes(static_cast<uint64_t>(static_cast<double>(now) / seconds)) + "/s";
    }
    line += ", " + base::FormatDuration(elapsed);
    return line;
  }

  void Draw() {
    if (json) {
      std::fprintf(stderr, "{\"progress\": \"%s\", \"done\": %llu, \"total\": %llu}\n", label.c_str(),
                   static_cast<unsigned long long>(done.load()), static_cast<unsigned long long>(total));
    } else if (terminal) {
      std::fprintf(stderr, "\r\033[K%s", Line().substr(0, TerminalWidth() - 1).c_str());
    } else {
      std::fprintf(stderr, "%s\n", Line().c_str());
    }
    std::fflush(stderr);
    shown = true;
  }

  Clock::duration Interval() const {
    if (json) return kJsonInterval;
    return terminal ? Clock::duration(kFrame) : Clock::duration(kLogInterval);
  }

  void Loop() {
    std::unique_lock lock(mutex);
    auto next = start + (json ? Clock::duration(0) : Clock::duration(kQuiet));
    while (!wake.wait_until(lock, next, [&] { return closing; })) {
      Draw();
      next = Clock::now() + Interval();
    }
  }
};

Progress::Progress(std::string label, uint64_t total, bool unit_bytes, bool enabled)
    : state_(std::make_unique<State>()) {
  state_->label = std::move(label);
  state_->total = total;
  state_->unit_bytes = unit_bytes;
  state_->json = json_lines;
  state_->terminal = !state_->json && IsTerminal();
  if (enabled) state_->thread = std::thread([this] { state_->Loop(); });
}

Progress::~Progress() {
  if (!state_->thread.joinable()) return;
  {
    std::scoped_lock lock(state_->mutex);
    state_->closing = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
  if (!state_->shown) return;
  state_->Draw();
  if (state_->terminal) std::fputs("\n", stderr);
}

void Progress::Add(uint64_t amount) { state_->done += amount; }

void Progress::UseJsonLines() { json_lines = true; }

}  // namespace seamount::exec
