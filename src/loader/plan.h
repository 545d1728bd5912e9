// The plan of memory: which chunk is fetched when, and how long it stays decoded. Pure.
//
// How it works: the order of samples is known, so the order in which chunks are used is a plain list. Belady's rule
// over that list, evict the chunk whose next use is farthest, is optimal when the future is known. The outcome is a
// list of residencies: a chunk comes in (by a fetch, or left over from the stretch before), serves some uses in a row
// and goes. The executor (pipeline.h) fetches residencies strictly in this order, and gives them room to be decoded in
// this order too. That cannot stall: when everything before a residency is done, decoded is only what the plan keeps,
// no more than `limits.bytes`; and encoded chunks that have no room yet never take the last room for one decoded one.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"

namespace seamount::loader {

inline constexpr uint32_t kNoUse = UINT32_MAX;
// Samples of one epoch, and chunks of all variables.
inline constexpr uint64_t kMostPlanned = uint64_t{1} << 27;

struct Residency {
  uint32_t chunk = 0;
  uint32_t first_use = 0;  // index into the list of uses
  uint32_t uses = 0;
  bool held = false;  // in memory since the stretch before: no fetch
  bool kept = false;  // still in memory when the stretch ends
};

struct CachePlan {
  std::vector<Residency> residencies;  // ordered by first_use
  std::vector<uint32_t> residency_of;  // for each use, its residency
  std::vector<uint32_t> next_use;      // for each use, the next one in the same residency, or kNoUse
  std::vector<uint32_t> carried;       // chunks held before and after, without a use in between
  uint64_t fetches = 0;                // residencies that are not held
};

struct CacheLimits {
  uint64_t bytes = 0;
  bool for_next_epoch = true;  // chunks stay after their last use, where there is room
};

// uses: chunk numbers in order of use, each < chunk_bytes.size(). Planned are those before `end`; the later ones are
// looked at only to tell which chunks are worth keeping. held: chunks that are in memory already, without repeats;
// those that neither a residency takes over nor `carried` names are to be dropped at once. Cut short when `stop` is
// requested.
CachePlan PlanCache(std::span<const uint32_t> uses, size_t end, std::span<const uint64_t> chunk_bytes,
                    const CacheLimits& limits, std::span<const uint32_t> held, const std::stop_token& stop = {});

// What planning takes at its peak for each use in a stretch and in what it looks ahead to: lists in the making, this
// stretch's plan and the next one's.
inline constexpr uint64_t kPlanBytesPerUse = 100;

// How one memory budget is divided.
struct MemoryPlan {
  uint64_t batches = 1;       // batch buffers in the pipeline, being filled or waiting
  uint64_t batch_bytes = 0;   // reserved for them and one spare that the user has just given back
  uint64_t plan_bytes = 0;    // for the order of samples and the plans of stretches
  uint64_t stretch_uses = 0;  // that are planned at a time
  uint64_t chunk_bytes = 0;   // everything else: chunks, encoded and decoded
  CacheLimits retain;         // of these, what PlanCache may keep; the rest is for fetching ahead
  uint64_t ahead_bytes = 0;   // of the rest, what encoded chunks may take that have no room to be decoded yet
};

struct MemoryNeeds {
  uint64_t memory_bytes = 0;
  uint64_t batch_bytes = 0;          // of one batch, with all its slots
  uint64_t largest_chunk_bytes = 0;  // decoded
  uint64_t all_chunks_bytes = 0;     // decoded, all that an epoch touches
  uint64_t samples = 0;              // of an epoch, all ranks
  uint64_t batch_uses = 0;           // of chunks, by one batch, at most
  uint64_t epoch_uses = 0;           // at most
};

// InvalidArgument, naming the least that would do, when the budget cannot hold two batches, two chunks (one encoded,
// one decoded) and the plan of a batch.
Result<MemoryPlan> PlanMemory(const MemoryNeeds& needs);

}  // namespace seamount::loader
