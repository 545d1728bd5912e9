// seamount top: what this user's loaders on this machine do, and what they wait for.
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "base/text.h"
#include "cli/command.h"
#include "loader/live.h"

namespace seamount::cli {
namespace {

using loader::LiveLoader;

struct TopOptions {
  double interval = 1;
  bool once = false;
  bool json = false;
};

// A loader writes once a second while batches are taken or waited for.
constexpr double kQuietSeconds = 3;

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Over the last second or so that the loader told of.
struct Rates {
  double samples = 0;
  double bytes = 0;
  double network = 0;  // shares of the time, as the next three
  double decode = 0;
  double plan = 0;
  double trainer = 0;
};

Rates RatesOf(const LiveLoader& loader) {
  const loader::Stats& now = loader.stats;
  const loader::Stats& before = loader.stats_before;
  const double seconds = loader.seconds - loader.seconds_before;
  if (!(seconds > 0)) return {};
  const auto share = [&](double from, double to) { return std::clamp((to - from) / seconds, 0.0, 1.0); };
  return {.samples = static_cast<double>(now.samples - before.samples) / seconds,
          .bytes = static_cast<double>(now.bytes_fetched - before.bytes_fetched) / seconds,
          .network = share(before.wait_network_seconds, now.wait_network_seconds),
          .decode = share(before.wait_decode_seconds, now.wait_decode_seconds),
          .plan = share(before.wait_plan_seconds, now.wait_plan_seconds),
          .trainer = share(before.trainer_seconds, now.trainer_seconds)};
}

std::string BottleneckOf(const LiveLoader& loader) {
  const double quiet = Now() - loader.seconds;
  const std::string lately(loader::BottleneckOf(loader.stats, loader.stats_before));
  if (quiet < kQuietSeconds) return lately.empty() ? "begins" : lately;
  const auto seconds = std::chrono::seconds(std::llround(quiet));
  return std::string(loader.waiting ? "waits" : "trainer") + " " + base::FormatDuration(seconds);
}

std::string Line(const LiveLoader& loader) {
  const Rates rates = RatesOf(loader);
  const uint64_t percent = loader.samples == 0 ? 0 : 100 * loader.position / loader.samples;
  const auto cell = [](const char* format, auto... values) {
    char text[64];
    (void)std::snprintf(text, sizeof(text), format, values...);
    return std::string(text);
  };
  return cell("%8d %5s %7llu %3llu%% %10.1f %12s", loader.pid,
              (std::to_string(loader.rank) + "/" + std::to_string(loader.world)).c_str(),
              static_cast<unsigned long long>(loader.epoch), static_cast<unsigned long long>(percent), rates.samples,
              (base::FormatBytes(static_cast<uint64_t>(std::max(0.0, rates.bytes))) + "/s").c_str()) +
         cell(" %7.0f%% %7.0f%% %7.0f%% ", 100 * rates.network, 100 * (rates.decode + rates.plan),
              100 * rates.trainer) +
         cell("%-13s %10s  ", BottleneckOf(loader).c_str(), base::FormatBytes(loader.stats.memory_peak).c_str()) +
         base::Printable(loader.name);
}

std::string Table(const std::vector<LiveLoader>& loaders) {
  if (loaders.empty()) return "no loader of yours runs on this machine\n";
  std::string text =
      "     PID  RANK   EPOCH  IN  SAMPLES/S        FETCHED  NETWORK   DECODE  TRAINER BOTTLENECK        "
      "MEMORY  LOADER\n";
  for (const LiveLoader& loader : loaders) text += Line(loader) + "\n";
  return text;
}

std::string Json(const std::vector<LiveLoader>& loaders) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const LiveLoader& loader : loaders) {
    const Rates rates = RatesOf(loader);
    nlohmann::ordered_json counts = nlohmann::ordered_json::object();
    loader::ForEachStat(loader.stats, [&](const char* name, const auto& value) { counts[name] = value; });
    list.push_back({{"pid", loader.pid},
                    {"loader", loader.name},
                    {"rank", loader.rank},
                    {"world", loader.world},
                    {"epoch", loader.epoch},
                    {"position", loader.position},
                    {"samples", loader.samples},
                    {"memory_bytes", loader.memory_bytes},
                    {"waiting", loader.waiting},
                    {"seconds_ago", Now() - loader.seconds},
                    {"samples_per_second", rates.samples},
                    {"bytes_per_second", rates.bytes},
                    {"network", rates.network},
                    {"decode", rates.decode},
                    {"plan", rates.plan},
                    {"trainer", rates.trainer},
                    {"bottleneck", loader::BottleneckOf(loader.stats, loader.stats_before)},
                    {"stats", std::move(counts)}});
  }
  return list.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// In place of the frame before. Lines longer than the terminal are cut by it.
void Draw(const std::string& frame, size_t& lines_before) {
  std::string text = lines_before > 0 ? "\x1b[" + std::to_string(lines_before) + "F\x1b[0J" : "";
  text += "\x1b[?7l" + frame + "\x1b[?7h";
  (void)std::fputs(text.c_str(), stdout);
  (void)std::fflush(stdout);
  lines_before = static_cast<size_t>(std::count(frame.begin(), frame.end(), '\n'));
}

// As many lines as the terminal has, less one: a frame that is higher could not be drawn over.
std::string Fitting(const std::string& frame) {
  struct winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 3) return frame;
  size_t end = 0;
  for (int line = 1; line < size.ws_row; ++line) {
    const size_t next = frame.find('\n', end);
    if (next == std::string::npos) return frame;
    end = next + 1;
  }
  return frame.substr(0, end);
}

Result<int> Top(const TopOptions& options) {
  const std::string folder = loader::RunFolder();
  if (options.json || options.once || isatty(STDOUT_FILENO) == 0) {
    const auto loaders = loader::LiveLoaders(folder);
    (void)std::fputs((options.json ? Json(loaders) : Table(loaders)).c_str(), stdout);
    return kExitOk;
  }
  const CallContext context = Interruptible();
  size_t lines = 0;
  const auto interval = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(options.interval));
  do {
    Draw(Fitting(Table(loader::LiveLoaders(folder))), lines);
  } while (base::RealClock().SleepFor(interval, context.stop));
  return kExitOk;
}

}  // namespace

void AddTopCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command =
      AddCommand(app, "top", "Your loaders on this machine: how fast, and what each waits for, until Ctrl-C",
                 "seamount top\nseamount top --once\nseamount top --json");
  const auto options = std::make_shared<TopOptions>();
  command.add_option("--interval", options->interval, "Seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command.add_flag("--once", options->once, "One look; so it is too where the output is no terminal");
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] { return Top(*options); });
}

}  // namespace seamount::cli
