// What running loaders say of themselves, for `seamount top`: a small file for each in a folder of this user's, written
// once a second by whoever takes batches. It holds counts and a name, nothing secret. Where no such file can be written
// a loader is not shown, and works as ever.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "loader/stats.h"

namespace seamount::loader {

struct LiveLoader {
  std::string name;
  int pid = 0;
  uint64_t started = 0;  // when the process was, in the kernel's ticks: numbers of processes are used again
  uint64_t rank = 0;
  uint64_t world = 1;
  uint64_t epoch = 0;
  uint64_t position = 0;
  uint64_t samples = 0;  // of an epoch, all ranks
  uint64_t memory_bytes = 0;
  bool waiting = false;  // for a batch; otherwise the trainer had one
  // When this was written, and before that, by the machine's monotonic clock; and the counts then.
  double seconds = 0;
  double seconds_before = 0;
  Stats stats = {};
  Stats stats_before = {};
};

// The folder for what runs: /run/seamount for root, else in $XDG_RUNTIME_DIR, or in /tmp under the user's number.
std::string RunFolder();

// One loader's file. Not thread-safe.
class LiveFile {
 public:
  // Makes the folder where it is not there. nullopt where that is not possible, or it is not ours.
  static std::optional<LiveFile> Make(const std::string& folder);
  LiveFile(LiveFile&&) = default;
  LiveFile& operator=(LiveFile&&) = delete;
  ~LiveFile();  // removes it
  // In a forked child: the file is the parent's.
  void Forget() { folder_.Close(); }
  // Whether a second has passed since the last Show.
  bool Due(base::SteadyTime now) const { return !shown_ || now - *shown_ >= std::chrono::seconds(1); }
  // `loader` without process, times and counts, which are filled in.
  void Show(LiveLoader loader, const Stats& stats, base::SteadyTime now);

 private:
  LiveFile(base::Fd folder, std::string name) : folder_(std::move(folder)), name_(std::move(name)) {}
  base::Fd folder_;
  std::string name_;
  std::optional<base::SteadyTime> shown_;
  Stats shown_stats_;
};

// Those of processes that live, by process. Files of others are removed. None where the folder is not there or not
// ours.
std::vector<LiveLoader> LiveLoaders(const std::string& folder);

// Any text is safe input; nullopt for what is no such file.
std::optional<LiveLoader> ParseLiveLoader(std::string_view text);
std::string LiveLoaderText(const LiveLoader& loader);

}  // namespace seamount::loader
