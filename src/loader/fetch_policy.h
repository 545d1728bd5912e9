// Which chunks are asked for next, which of them together, and how many threads ask.
//
// How it works: residencies are fetched strictly in the planned order, each as soon as memory has room for its encoded
// bytes. Threads start few and become more while workers starve and the store has shown latency, for
// small chunks over a long way need many requests at once.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "loader/dataset.h"
#include "loader/residents.h"
#include "loader/schedule.h"

namespace seamount::loader {

// Not thread-safe: the pipeline's mutex guards it.
class FetchPolicy {
 public:
  FetchPolicy(const Dataset& dataset, const Schedule& schedule, Residents& residents)
      : dataset_(dataset), schedule_(schedule), residents_(residents) {}

  // Residencies that one thread fetches together: chunks of one shard that follow each other. Their room is taken.
  using Issue = std::vector<uint32_t>;
  // nullopt: memory has no room for the next at present, or all were issued.
  std::optional<Issue> TryIssue();
  // Of the residency that comes next; there is one.
  uint32_t next_use() const { return schedule_.cache.residencies[next_].first_use; }
  bool exhausted() const { return next_ >= schedule_.cache.residencies.size(); }

  void Took(double seconds);  // one fetch
  struct Threads {
    size_t fetching = 0;  // all of them
    int idle_fetchers = 0;
    int idle_workers = 0;
  };
  // Whether another thread would help, given that the head of the batches is being waited for.
  bool WantsThread(const Threads& threads) const;

 private:
  const Dataset& dataset_;
  const Schedule& schedule_;
  Residents& residents_;
  uint32_t next_ = 0;
  double fetch_seconds_ = 0;  // of one fetch, a moving average
};

}  // namespace seamount::loader
