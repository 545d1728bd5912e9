// What an epoch will take, told before it is read: from its plan, and from a few chunks that are looked at.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "loader/group.h"
#include "loader/planner.h"

namespace seamount::loader {

// What the plan of an epoch says, for each of the dataset's variables.
struct PlannedReads {
  std::vector<uint64_t> chunks;    // that the epoch touches, each counted once
  std::vector<uint64_t> fetches;   // of chunks; each is decoded once
  std::vector<uint64_t> requests;  // that these take at least: one for chunks of a shard that follow each other
  std::vector<std::vector<uint32_t>> first;  // the first few chunks that are fetched
  uint64_t batches = 0;
  uint64_t uses = 0;  // of chunks, by batches
};

// The epoch from `start` with nothing in memory, and the one after it, which finds what the first one keeps. The same
// plans as when they are read. Cancelled when the context says so.
Result<std::array<PlannedReads, 2>> PlanReads(const PlannerOptions& options, PlanStart start,
                                              const CallContext& context);

struct MeasuredReads {
  double latency_seconds = 0;              // of the smallest request
  double connection_bytes_per_second = 0;  // beyond that; 0: too fast to tell
  double decode_bytes_per_second = 0;      // by one thread, of decoded bytes; 0: too fast to tell
  std::vector<double> encoded_ratio;       // of each variable: stored to decoded bytes
};

// Reads and decodes these chunks, of each variable a few, one after the other.
Result<MeasuredReads> MeasureReads(const Dataset& dataset, const std::vector<std::vector<uint32_t>>& chunks,
                                   const Group& group, const CallContext& context);

}  // namespace seamount::loader
