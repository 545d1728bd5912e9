#include "loader/live.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <type_traits>

#include "base/json_depth.h"

namespace seamount::loader {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr std::string_view kEnding = ".loader";
constexpr size_t kMostBytes = 64 << 10;

double SecondsOf(base::SteadyTime time) { return std::chrono::duration<double>(time.time_since_epoch()).count(); }

// Others may have put something in its place, as in /tmp.
base::Fd OpenOwnFolder(const std::string& path) {
  base::Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info = {};
  if (!folder || fstat(folder.get(), &info) != 0 || info.st_uid != geteuid()) return {};
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return {};
  return folder;
}

// Since boot, in ticks; 0 where there is no such process, or it has ended and is not yet waited for.
uint64_t StartOf(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  constexpr int kState = 3;
  constexpr int kStart = 22;
  for (int number = kState; number <= kStart && fields >> field; ++number) {
    if (number == kState && (field == "Z" || field == "X")) return 0;
    if (number == kStart) return std::strtoull(field.c_str(), nullptr, 10);
  }
  return 0;
}

json JsonOf(const Stats& stats) {
  json counts = json::object();
  ForEachStat(stats, [&](const char* name, const auto& value) { counts[name] = value; });
  return counts;
}

// Whether `from` has the member, of a type that fits.
template <class T>
bool Take(const json& from, const char* name, T& to) {
  const auto found = from.find(name);
  if (found == from.end()) return false;
  if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string()) return false;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!found->is_boolean()) return false;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!found->is_number()) return false;
  } else {
    if (!found->is_number_unsigned()) return false;
  }
  to = found->template get<T>();
  return true;
}

bool TakeStats(const json& from, const char* name, Stats& to) {
  const auto found = from.find(name);
  bool whole = found != from.end() && found->is_object();
  if (whole) ForEachStat(to, [&](const char* member, auto& value) { whole &= Take(*found, member, value); });
  return whole;
}

std::string ReadSmall(const base::Fd& folder, const std::string& name) {
  const base::Fd file(openat(folder.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return {};
  std::string text(kMostBytes, '\0');
  const ssize_t got = read(file.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

}  // namespace

std::string RunFolder() {
  if (geteuid() == 0) return "/run/seamount";
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime != '\0') return std::string(runtime) + "/seamount";
  return "/tmp/seamount-run-" + std::to_string(geteuid());
}

std::optional<LiveFile> LiveFile::Make(const std::string& folder) {
  static std::atomic<uint64_t> counter = 0;
  (void)mkdir(folder.c_str(), 0700);  // whether it is there now is seen next
  base::Fd own = OpenOwnFolder(folder);
  if (!own) return std::nullopt;
  return LiveFile(std::move(own), std::to_string(getpid()) + "-" + std::to_string(++counter) + std::string(kEnding));
}

LiveFile::~LiveFile() {
  if (folder_ && shown_) unlinkat(folder_.get(), name_.c_str(), 0);
}

void LiveFile::Show(LiveLoader loader, const Stats& stats, base::SteadyTime now) {
  loader.pid = getpid();
  loader.started = StartOf(loader.pid);
  loader.seconds = SecondsOf(now);
  loader.seconds_before = shown_ ? SecondsOf(*shown_) : loader.seconds;
  loader.stats = stats;
  loader.stats_before = shown_ ? shown_stats_ : stats;
  shown_ = now;
  shown_stats_ = stats;
  const std::string text = LiveLoaderText(loader);
  const std::string fresh = name_ + ".new";
  const base::Fd file(
      openat(folder_.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  const bool whole = file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (whole && renameat(folder_.get(), fresh.c_str(), folder_.get(), name_.c_str()) == 0) return;
  unlinkat(folder_.get(), fresh.c_str(), 0);
}

std::vector<LiveLoader> LiveLoaders(const std::string& folder) {
  std::vector<LiveLoader> loaders;
  const base::Fd own = OpenOwnFolder(folder);
  if (!own) return loaders;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(kEnding)) continue;
    auto loader = ParseLiveLoader(ReadSmall(own, name));
    if (!loader) continue;
    if (StartOf(loader->pid) == loader->started) {
      loaders.push_back(*std::move(loader));
    } else {
      unlinkat(own.get(), name.c_str(), 0);
    }
  }
  std::sort(loaders.begin(), loaders.end(), [](const LiveLoader& a, const LiveLoader& b) {
    return std::pair(a.pid, a.name) < std::pair(b.pid, b.name);
  });
  return loaders;
}

std::optional<LiveLoader> ParseLiveLoader(std::string_view text) {
  if (base::NestsDeeper(text)) return std::nullopt;
  const json from = json::parse(text, nullptr, false);
  LiveLoader loader;
  uint64_t pid = 0;
  if (!from.is_object() || from.value("version", json()) != kVersion) return std::nullopt;
  const bool whole = Take(from, "name", loader.name) && Take(from, "pid", pid) &&
                     Take(from, "started", loader.started) && Take(from, "rank", loader.rank) &&
                     Take(from, "world", loader.world) && Take(from, "epoch", loader.epoch) &&
                     Take(from, "position", loader.position) && Take(from, "samples", loader.samples) &&
                     Take(from, "memory_bytes", loader.memory_bytes) && Take(from, "waiting", loader.waiting) &&
                     Take(from, "seconds", loader.seconds) && Take(from, "seconds_before", loader.seconds_before) &&
                     TakeStats(from, "stats", loader.stats) && TakeStats(from, "stats_before", loader.stats_before);
  if (!whole || pid == 0 || pid > INT32_MAX || loader.started == 0) return std::nullopt;
  loader.pid = static_cast<int>(pid);
  return loader;
}

std::string LiveLoaderText(const LiveLoader& loader) {
  const json text = {{"version", kVersion},
                     {"name", loader.name},
                     {"pid", loader.pid},
                     {"started", loader.started},
                     {"rank", loader.rank},
                     {"world", loader.world},
                     {"epoch", loader.epoch},
                     {"position", loader.position},
                     {"samples", loader.samples},
                     {"memory_bytes", loader.memory_bytes},
                     {"waiting", loader.waiting},
                     {"seconds", loader.seconds},
                     {"seconds_before", loader.seconds_before},
                     {"stats", JsonOf(loader.stats)},
                     {"stats_before", JsonOf(loader.stats_before)}};
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace seamount::loader
