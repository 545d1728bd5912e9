#include "loader/schedule.h"

#include <algorithm>
#include <string>

namespace seamount::loader {
namespace {

// Replaces numbers in the dataset by indices into `chunks`.
void Renumber(std::span<uint32_t> numbers, const std::vector<uint32_t>& chunks) {
  for (uint32_t& number : numbers) {
    number = static_cast<uint32_t>(std::lower_bound(chunks.begin(), chunks.end(), number) - chunks.begin());
  }
}

}  // namespace

uint32_t Schedule::BatchOf(uint32_t use) const {
  return static_cast<uint32_t>(std::upper_bound(first_use.begin(), first_use.end(), use) - first_use.begin() - 1);
}

std::vector<uint32_t> Schedule::Kept() const {
  std::vector<uint32_t> kept;
  for (const Residency& residency : cache.residencies) {
    if (residency.kept) kept.push_back(chunks[residency.chunk]);
  }
  for (const uint32_t chunk : cache.carried) kept.push_back(chunks[chunk]);
  return kept;
}

Result<Schedule> MakeSchedule(const ScheduleInput& input, uint64_t first_batch, std::span<const uint32_t> held,
                              const std::stop_token& stop) {
  const auto cancelled = [] { return base::Cancelled("planning was stopped"); };
  Schedule schedule{.first_batch = first_batch};
  std::vector<uint32_t> uses;
  std::vector<uint32_t> ends;  // of each batch, those looked ahead to included
  uint64_t batch = first_batch;
  for (; batch < input.batches.size(); ++batch) {
    if (stop.stop_requested()) return cancelled();
    input.source->AppendChunks(SamplesOf(input.batches[batch], input.order), input.epoch, uses);
    if (uses.size() > input.most_uses && batch > first_batch) {
      uses.resize(ends.back());
      break;
    }
    ends.push_back(static_cast<uint32_t>(uses.size()));
  }
  schedule.last = batch == input.batches.size();
  // Half of what was looked at is planned, unless that is all there is.
  size_t planned = ends.size();
  if (!schedule.last) {
    const auto half = std::lower_bound(ends.begin(), ends.end(), ends.back() / 2);
    planned = static_cast<size_t>(half - ends.begin()) + 1;
  }
  schedule.first_use.assign(1, 0);
  schedule.first_use.insert(schedule.first_use.end(), ends.begin(),
                            ends.begin() + static_cast<std::ptrdiff_t>(planned));

  schedule.chunks = uses;
  schedule.chunks.insert(schedule.chunks.end(), held.begin(), held.end());
  std::sort(schedule.chunks.begin(), schedule.chunks.end());
  schedule.chunks.erase(std::unique(schedule.chunks.begin(), schedule.chunks.end()), schedule.chunks.end());
  schedule.chunks.shrink_to_fit();
  Renumber(uses, schedule.chunks);
  std::vector<uint32_t> held_here(held.begin(), held.end());
  Renumber(held_here, schedule.chunks);
  std::vector<uint64_t> bytes;
  bytes.reserve(schedule.chunks.size());
  for (const uint32_t chunk : schedule.chunks) bytes.push_back(input.source->dataset().chunks.BytesOf(chunk));
  if (stop.stop_requested()) return cancelled();
  schedule.cache = PlanCache(uses, schedule.first_use.back(), bytes, input.limits, held_here, stop);
  if (stop.stop_requested()) return cancelled();
  return schedule;
}

}  // namespace seamount::loader
