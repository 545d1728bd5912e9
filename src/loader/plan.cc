#include "loader/plan.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "base/text.h"

namespace seamount::loader {
namespace {

// For each use, the index of the next use of the same chunk, or kNoUse; and for each chunk its first use.
struct Future {
  std::vector<uint32_t> next;
  std::vector<uint32_t> first;
};

Future LookAhead(std::span<const uint32_t> uses, size_t chunks) {
  Future future{std::vector<uint32_t>(uses.size()), std::vector<uint32_t>(chunks, kNoUse)};
  for (size_t i = uses.size(); i-- > 0;) {
    future.next[i] = future.first[uses[i]];
    future.first[uses[i]] = static_cast<uint32_t>(i);
  }
  return future;
}

// The chunks in memory, farthest next use on top. Entries of chunks that were used since are stale and skipped.
class Cache {
 public:
  explicit Cache(std::span<const uint64_t> chunk_bytes) : bytes_(chunk_bytes), slots_(chunk_bytes.size()) {}

  bool Has(uint32_t chunk) const { return slots_[chunk].present; }
  uint64_t used() const { return used_; }

  void Put(uint32_t chunk, uint32_t next_use) {
    if (!slots_[chunk].present) used_ += bytes_[chunk];
    slots_[chunk] = {true, next_use};
    farthest_.push({next_use, chunk});
  }

  void Evict(uint32_t chunk) {
    slots_[chunk].present = false;
    used_ -= bytes_[chunk];
  }

  void EvictTo(uint64_t capacity) {
    while (used_ > capacity) {
      const auto [next_use, chunk] = farthest_.top();
      farthest_.pop();
      if (slots_[chunk].present && slots_[chunk].next_use == next_use) Evict(chunk);
    }
  }

 private:
  struct Slot {
    bool present = false;
    uint32_t next_use = 0;
  };
  std::span<const uint64_t> bytes_;
  std::vector<Slot> slots_;
  std::priority_queue<std::pair<uint32_t, uint32_t>> farthest_;
  uint64_t used_ = 0;
};

}  // namespace

CachePlan PlanCache(std::span<const uint32_t> uses, size_t end, std::span<const uint64_t> chunk_bytes,
                    const CacheLimits& limits, std::span<const uint32_t> held, const std::stop_token& stop) {
  constexpr size_t kBetweenLooks = 1 << 12;
  const Future future = LookAhead(uses, chunk_bytes.size());
  Cache cache(chunk_bytes);
  std::vector<uint32_t> last_use(chunk_bytes.size(), kNoUse);  // of the residency that is open for the chunk
  for (const uint32_t chunk : held) {
    if (future.first[chunk] != kNoUse || limits.for_next_epoch) cache.Put(chunk, future.first[chunk]);
  }
  cache.EvictTo(limits.bytes);

  CachePlan plan;
  plan.residency_of.resize(end);
  plan.next_use.assign(end, kNoUse);
  for (uint32_t i = 0; i < end; ++i) {
    if (i % kBetweenLooks == 0 && stop.stop_requested()) return plan;
    const uint32_t chunk = uses[i];
    if (cache.Has(chunk) && last_use[chunk] != kNoUse) {
      plan.residency_of[i] = plan.residency_of[last_use[chunk]];
      plan.next_use[last_use[chunk]] = i;
    } else {
      // First use of a chunk that is in memory from the stretch before, or a chunk that is not (any more).
      const bool was_held = cache.Has(chunk);
      plan.residency_of[i] = static_cast<uint32_t>(plan.residencies.size());
      plan.residencies.push_back({.chunk = chunk, .first_use = i, .held = was_held});
      if (!was_held) ++plan.fetches;
    }
    ++plan.residencies[plan.residency_of[i]].uses;
    last_use[chunk] = i;
    cache.Put(chunk, future.next[i]);
    if (future.next[i] == kNoUse && !limits.for_next_epoch) cache.Evict(chunk);
    cache.EvictTo(limits.bytes);
  }
  for (uint32_t chunk = 0; chunk < chunk_bytes.size(); ++chunk) {
    if (!cache.Has(chunk)) continue;
    if (last_use[chunk] == kNoUse) {
      plan.carried.push_back(chunk);
    } else {
      plan.residencies[plan.residency_of[last_use[chunk]]].kept = true;
    }
  }
  return plan;
}

Result<MemoryPlan> PlanMemory(const MemoryNeeds& needs) {
  // A quarter of the memory for batches, but not more than eight: beyond that they only wait. Two at least where there
  // is room, so that one is filled while another waits to be taken.
  constexpr uint64_t kMostBatches = 8;
  // Fetching ahead needs bandwidth times latency, and twice the size of what is fetched at a time: 128 MiB is 1.3 GB/s
  // at 100 ms. A small budget gives a third.
  constexpr uint64_t kMostAhead = uint64_t{128} << 20;

  // Of an epoch as much is planned at a time as an eighth of the memory takes, or a batch if that is more.
  constexpr uint64_t kPlanShare = 8;
  // This epoch's order and the next one's, four bytes for each sample.
  const uint64_t order_bytes = 8 * needs.samples;

  const uint64_t chunk_pair = 2 * needs.largest_chunk_bytes;
  const uint64_t least_plan = order_bytes + needs.batch_uses * kPlanBytesPerUse;
  const uint64_t least = 2 * needs.batch_bytes + chunk_pair + least_plan;
  if (needs.memory_bytes < least) {
    return base::InvalidArgument("memory of " + base::FormatBytes(needs.memory_bytes) +
                                 " is too small: two batches of " + base::FormatBytes(needs.batch_bytes) +
                                 ", a chunk of " + base::FormatBytes(needs.largest_chunk_bytes) +
                                 ", encoded and decoded, and " + base::FormatBytes(least_plan) +
                                 " for the plan of an epoch of " + std::to_string(needs.samples) + " samples need " +
                                 base::FormatBytes(least) + "; raise memory or lower batch_size");
  }
  MemoryPlan plan;
  plan.stretch_uses =
      std::min(needs.epoch_uses, std::max(needs.memory_bytes / kPlanShare / kPlanBytesPerUse, needs.batch_uses));
  plan.stretch_uses = std::max(needs.batch_uses, std::min(plan.stretch_uses, uint64_t{kNoUse - 1}));
  plan.plan_bytes = order_bytes + plan.stretch_uses * kPlanBytesPerUse;
  // What is over when the rest has its least.
  plan.plan_bytes = std::min(plan.plan_bytes, needs.memory_bytes - (least - least_plan));
  plan.stretch_uses = (plan.plan_bytes - order_bytes) / kPlanBytesPerUse;
  const uint64_t memory = needs.memory_bytes - plan.plan_bytes;
  const uint64_t batch = std::max<uint64_t>(1, needs.batch_bytes);
  const uint64_t quarter = std::clamp<uint64_t>(memory / 4 / batch, 2, kMostBatches);
  const uint64_t fitting = (memory - chunk_pair) / batch - 1;  // >= 1; one buffer is the spare
  plan.batches = std::min(quarter, fitting);
  plan.batch_bytes = (plan.batches + 1) * needs.batch_bytes;
  plan.chunk_bytes = memory - plan.batch_bytes;
  // All that fits is kept for all epochs; then there is nothing to evict and fetching ahead takes the room itself.
  const uint64_t most = plan.chunk_bytes - chunk_pair;
  plan.retain.bytes = needs.all_chunks_bytes <= most ? most : most - std::min(most / 3, kMostAhead);
  plan.ahead_bytes = plan.chunk_bytes - plan.retain.bytes - needs.largest_chunk_bytes;
  // What is kept for the next epoch need not be fetched then, but takes memory that was not touched before, which
  // costs more than using the same over and over.
  constexpr uint64_t kWorthKeeping = 4;
  plan.retain.for_next_epoch = needs.all_chunks_bytes / kWorthKeeping <= plan.retain.bytes;
  return plan;
}

}  // namespace seamount::loader
