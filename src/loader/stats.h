// What a loader counts.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace seamount::loader {

// Since the loader was made; only ever added to.
struct Stats {
  uint64_t batches = 0;
  uint64_t samples = 0;
  uint64_t chunks_fetched = 0;
  uint64_t chunks_absent = 0;  // of these, not stored: filled with the fill value
  uint64_t bytes_fetched = 0;  // encoded
  uint64_t requests = 0;       // reads of the store for chunks
  uint64_t chunks_decoded = 0;
  uint64_t bytes_decoded = 0;
  uint64_t chunk_hits = 0;          // uses that found their chunk decoded already
  uint64_t fetch_threads = 0;       // most at a time
  uint64_t memory_peak = 0;         // bytes of the budget
  double wait_seconds = 0;          // that a batch was waited for: the sum of the next three
  double wait_network_seconds = 0;  // of these, nothing of it was there to be decoded or copied
  double wait_decode_seconds = 0;   // of these, something of it was, or stood in line
  double wait_plan_seconds = 0;     // of these, it was not yet known what comes next
  double trainer_seconds = 0;       // that nobody waited, from a batch to the call for the next one of its epoch
};

// Calls take(name, member) for each, with the names that people know them by.
template <class S, class F>
void ForEachStat(S& stats, F take) {
  take("batches", stats.batches);
  take("samples", stats.samples);
  take("bytes_fetched", stats.bytes_fetched);
  take("requests", stats.requests);
  take("chunks_fetched", stats.chunks_fetched);
  take("chunks_absent", stats.chunks_absent);
  take("chunks_decoded", stats.chunks_decoded);
  take("bytes_decoded", stats.bytes_decoded);
  take("cache_hits", stats.chunk_hits);
  take("fetch_threads", stats.fetch_threads);
  take("memory_peak", stats.memory_peak);
  take("wait_seconds", stats.wait_seconds);
  take("wait_network_seconds", stats.wait_network_seconds);
  take("wait_decode_seconds", stats.wait_decode_seconds);
  take("wait_plan_seconds", stats.wait_plan_seconds);
  take("trainer_seconds", stats.trainer_seconds);
}

// What most of the time went to from `before` to `now`: "network", "decode", "plan" or "trainer"; "" where no time did.
inline std::string_view BottleneckOf(const Stats& now, const Stats& before = {}) {
  const std::array<std::pair<double, std::string_view>, 4> shares = {{
      {now.wait_network_seconds - before.wait_network_seconds, "network"},
      {now.wait_decode_seconds - before.wait_decode_seconds, "decode"},
      {now.wait_plan_seconds - before.wait_plan_seconds, "plan"},
      {now.trainer_seconds - before.trainer_seconds, "trainer"},
  }};
  const auto largest =
      std::max_element(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return largest->first > 0 ? largest->second : std::string_view();
}

}  // namespace seamount::loader
