#include "loader/schedule.h"

#include <algorithm>
#include <string>

namespace seamount::loader {

Result<ChunkNumbers> ChunkNumbers::Make(std::vector<ChunkGrid> grids) {
  ChunkNumbers numbers;
  uint64_t total = 0;
  numbers.first_.push_back(0);
  for (const ChunkGrid& grid : grids) {
    // Each factor comes from a checked array shape; together they may still be too many.
    uint64_t count = 0;
    if (__builtin_mul_overflow(grid.rows, grid.field_chunks, &count) || count > kMostPlanned - total) {
      return base::InvalidArgument("the variables have more than 2^27 chunks: rechunk them (seamount prepare)");
    }
    total += count;
    numbers.first_.push_back(static_cast<uint32_t>(total));
  }
  numbers.grids_ = std::move(grids);
  return numbers;
}

uint32_t ChunkNumbers::NumberOf(const Place& place) const {
  return first_[place.variable] +
         static_cast<uint32_t>(place.row * grids_[place.variable].field_chunks + place.field_chunk);
}

ChunkNumbers::Place ChunkNumbers::PlaceOf(uint32_t chunk) const {
  const auto after = std::upper_bound(first_.begin(), first_.end(), chunk);
  const auto variable = static_cast<uint32_t>(after - first_.begin() - 1);
  const uint32_t within = chunk - first_[variable];
  return {variable, within / grids_[variable].field_chunks, within % grids_[variable].field_chunks};
}

std::vector<uint64_t> ChunkNumbers::Bytes() const {
  std::vector<uint64_t> bytes;
  bytes.reserve(first_.back());
  for (const ChunkGrid& grid : grids_) bytes.insert(bytes.end(), grid.rows * grid.field_chunks, grid.chunk_bytes);
  return bytes;
}

std::vector<Placement> PlacementsOf(std::span<const uint64_t> samples, std::span<const int64_t> leads) {
  std::vector<Placement> placements;
  placements.reserve(samples.size() * leads.size());
  for (uint32_t sample = 0; sample < samples.size(); ++sample) {
    for (uint32_t lead = 0; lead < leads.size(); ++lead) {
      placements.push_back({samples[sample] + static_cast<uint64_t>(leads[lead]), sample, lead});
    }
  }
  std::stable_sort(placements.begin(), placements.end(),
                   [](const Placement& a, const Placement& b) { return a.position < b.position; });
  return placements;
}

Result<Schedule> MakeSchedule(std::vector<uint64_t> order, std::vector<BatchRange> batches,
                              std::span<const int64_t> leads, const ChunkNumbers& chunks, const CacheLimits& limits,
                              std::span<const uint32_t> held) {
  Schedule schedule;
  schedule.order = std::move(order);
  schedule.batches = std::move(batches);
  for (uint32_t b = 0; b < schedule.batches.size(); ++b) {
    schedule.first_use.push_back(static_cast<uint32_t>(schedule.uses.size()));
    const auto placements = PlacementsOf(schedule.SamplesOf(b), leads);
    for (uint32_t v = 0; v < chunks.grids().size(); ++v) {
      const ChunkGrid& grid = chunks.grids()[v];
      uint64_t before = UINT64_MAX;
      for (const Placement& placement : placements) {
        const uint64_t row = placement.position / grid.chunk_samples;
        if (row == before) continue;
        before = row;
        if (grid.field_chunks > kMostPlanned - schedule.uses.size()) {
          return base::InvalidArgument("one epoch uses chunks more than 2^27 times: rechunk the variables");
        }
        for (uint64_t f = 0; f < grid.field_chunks; ++f) schedule.uses.push_back(chunks.NumberOf({v, row, f}));
      }
    }
    schedule.batch_of.resize(schedule.uses.size(), b);
  }
  schedule.first_use.push_back(static_cast<uint32_t>(schedule.uses.size()));
  schedule.cache = PlanCache(schedule.uses, chunks.Bytes(), limits, held);
  return schedule;
}

}  // namespace seamount::loader
