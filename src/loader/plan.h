// The plan of an epoch's memory: which chunk is fetched when, and how long it stays decoded. Pure.
//
// How it works: the order of samples is known, so the order in which chunks are used is a plain list (ChunkUse).
// Belady's rule over that list, evict the chunk whose next use is farthest, is optimal when the future is known. The
// outcome is a list of residencies: a chunk comes in (by a fetch, or left over from the epoch before), serves some uses
// in a row and goes. The executor (pipeline.h) fetches residencies strictly in this order, each as soon as memory has
// room for it. That cannot stall: when everything before a residency is done, only what the plan keeps is in memory,
// and the plan keeps no more than `limits.bytes`, which leaves room for one more chunk, encoded and decoded.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace seamount::loader {

inline constexpr uint32_t kNoUse = UINT32_MAX;
// Samples, chunks and uses of chunks in one epoch: its plan takes about 50 bytes for each.
inline constexpr uint64_t kMostPlanned = uint64_t{1} << 27;

struct Residency {
  uint32_t chunk = 0;
  uint32_t first_use = 0;  // index into the list of uses
  uint32_t uses = 0;
  bool held = false;  // in memory since the epoch before: no fetch
  bool kept = false;  // still in memory when the epoch ends
};

struct CachePlan {
  std::vector<Residency> residencies;  // ordered by first_use
  std::vector<uint32_t> residency_of;  // for each use, its residency
  std::vector<uint32_t> next_use;      // for each use, the next one in the same residency, or kNoUse
  uint64_t fetches = 0;                // residencies that are not held
};

struct CacheLimits {
  uint64_t bytes = 0;
  bool for_next_epoch = true;  // chunks stay after their last use, where there is room
};

// uses: chunk numbers in order of use, each < chunk_bytes.size(). held: chunks that are in memory already, without
// repeats; those that no residency takes over can be dropped at once.
CachePlan PlanCache(std::span<const uint32_t> uses, std::span<const uint64_t> chunk_bytes, const CacheLimits& limits,
                    std::span<const uint32_t> held);

// How one memory budget is divided.
struct MemoryPlan {
  uint64_t batches = 1;      // batch buffers in the pipeline, being filled or waiting
  uint64_t batch_bytes = 0;  // reserved for them and one spare that the user has just given back
  uint64_t chunk_bytes = 0;  // everything else: chunks, encoded and decoded
  CacheLimits retain;        // of these, what PlanCache may keep; the rest is for fetching ahead
};

struct MemoryNeeds {
  uint64_t memory_bytes = 0;
  uint64_t batch_bytes = 0;          // of one batch, inputs and targets
  uint64_t largest_chunk_bytes = 0;  // decoded
  uint64_t all_chunks_bytes = 0;     // decoded, all that an epoch touches
};

// InvalidArgument, naming the least that would do, when the budget cannot hold two batches and two chunks (one encoded,
// one decoded).
Result<MemoryPlan> PlanMemory(const MemoryNeeds& needs);

}  // namespace seamount::loader
