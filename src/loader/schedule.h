// A stretch of an epoch, laid out: which batches it has, which chunks they need, and when each chunk is in memory.
// Pure.
//
// An epoch is planned stretch by stretch, so that its plan takes a bounded part of memory however many chunks it uses.
// A stretch ends at a batch; which chunks are worth keeping beyond it is told by looking as far ahead again.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "loader/order.h"
#include "loader/plan.h"
#include "loader/sample_source.h"

namespace seamount::loader {

struct Schedule {
  uint64_t first_batch = 0;         // of the stretch, in the sequence it was planned from
  bool last = false;                // whether the epoch ends with it
  std::vector<uint32_t> chunks;     // number in the dataset of each chunk; residencies index it
  std::vector<uint32_t> first_use;  // of each batch, and the end: batch by batch, variable by variable, row by row
  CachePlan cache;

  uint32_t batches() const { return static_cast<uint32_t>(first_use.size() - 1); }
  uint32_t BatchOf(uint32_t use) const;  // within the stretch
  uint32_t ChunkOf(uint32_t residency) const { return chunks[cache.residencies[residency].chunk]; }
  // What stays in memory when the stretch is done: numbers in the dataset.
  std::vector<uint32_t> Kept() const;
};

struct ScheduleInput {
  const SampleSource* source = nullptr;
  std::span<const uint32_t> order;  // of the epoch: numbers of the source's samples
  EpochSeed epoch;
  BatchSequence batches;  // from where the run stands
  CacheLimits limits;
  uint64_t most_uses = 0;  // of a stretch and what it looks ahead to; a batch is planned anyhow
};

// The stretch that begins with `first_batch`. held: chunks in memory, without repeats. Cancelled when `stop` is
// requested.
Result<Schedule> MakeSchedule(const ScheduleInput& input, uint64_t first_batch, std::span<const uint32_t> held,
                              const std::stop_token& stop = {});

}  // namespace seamount::loader
