// Plans an epoch's stretches on a thread of its own, the next one while the pipeline carries out the last.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "loader/sample_source.h"
#include "loader/schedule.h"

namespace seamount::loader {

// Where a plan begins: in which epoch, and at which batch after `position`.
struct PlanStart {
  OrderVersion version = OrderVersion::kSecond;
  uint64_t seed = 0;
  uint64_t epoch = 0;
  uint64_t position = 0;
  uint64_t batch = 0;
  bool operator==(const PlanStart&) const = default;
};

// The order of one epoch, shared by the stretches that lie in it.
struct EpochPlan {
  PlanStart start;  // of the first stretch; its batch is 0
  std::vector<uint32_t> order;
  BatchSequence batches;
};

struct Stretch {
  std::shared_ptr<const EpochPlan> epoch;
  Schedule schedule;

  std::vector<uint32_t> NumbersOf(uint32_t batch) const;  // of the samples of a batch of this stretch
  EpochSeed Seed() const { return {epoch->start.seed, epoch->start.epoch}; }
  BatchRange RangeOf(uint32_t batch) const { return epoch->batches[schedule.first_batch + batch]; }
};

struct PlannerOptions {
  std::shared_ptr<const SampleSource> source;
  BatchOptions batches;  // but for the version, which the start has
  CacheLimits retain;
  uint64_t stretch_uses = 0;
};

// Not thread-safe. Destroying it stops what is being planned.
class Planner {
 public:
  explicit Planner(PlannerOptions options) : options_(std::move(options)) {}
  ~Planner() { Drop(); }
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  // Begins to plan the stretch at `start`, with these chunks in memory. What was being planned for another start is
  // stopped. `before`: the stretch that ended there, whose epoch's order is used again.
  void Begin(const PlanStart& start, std::vector<uint32_t> held, const Stretch* before);
  bool Planning() const { return next_.valid(); }
  // Whether Take would not wait. Begin must have been called.
  bool Wait(std::chrono::steady_clock::time_point deadline);
  Result<Stretch> Take();
  void Drop();

 private:
  const PlannerOptions options_;
  std::stop_source stop_;
  std::future<Result<Stretch>> next_;
};

// Where the stretch after this one begins; the next epoch where it was the last.
PlanStart After(const Stretch& stretch);

}  // namespace seamount::loader
