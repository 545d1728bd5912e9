#include "loader/schedule.h"

#include <algorithm>
#include <string>

namespace seamount::loader {
namespace {

// The positions that a batch touches through some leads, ascending, each once.
std::vector<uint64_t> PositionsOf(std::span<const uint64_t> samples, std::span<const int64_t> leads) {
  std::vector<uint64_t> positions;
  positions.reserve(samples.size() * leads.size());
  for (const uint64_t sample : samples) {
    for (const int64_t lead : leads) positions.push_back(sample + static_cast<uint64_t>(lead));
  }
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return positions;
}

void AppendUses(const ScheduleInput& input, uint64_t batch, std::vector<uint32_t>& uses) {
  std::vector<uint64_t> samples;
  for (const uint32_t number : SamplesOf(input.batches[batch], input.order)) {
    samples.push_back(input.samples->PositionOf(number));
  }
  std::vector<uint64_t> positions;
  for (uint32_t v = 0; v < input.chunks->grids().size(); ++v) {
    if (v == 0 || input.leads[v] != input.leads[v - 1]) positions = PositionsOf(samples, input.leads[v]);
    const ChunkGrid& grid = input.chunks->grids()[v];
    uint64_t before = UINT64_MAX;
    for (const uint64_t position : positions) {
      const uint64_t row = position / grid.chunk_samples;
      if (row == before) continue;
      before = row;
      const uint32_t begin = input.chunks->RowBegin(v, row);
      for (uint32_t c = 0; c < grid.cells.size(); ++c) uses.push_back(begin + c);
    }
  }
}

// Replaces numbers in the dataset by indices into `chunks`.
void Renumber(std::span<uint32_t> numbers, const std::vector<uint32_t>& chunks) {
  for (uint32_t& number : numbers) {
    number = static_cast<uint32_t>(std::lower_bound(chunks.begin(), chunks.end(), number) - chunks.begin());
  }
}

}  // namespace

Result<ChunkNumbers> ChunkNumbers::Make(std::vector<ChunkGrid> grids) {
  ChunkNumbers numbers;
  uint64_t total = 0;
  numbers.first_.push_back(0);
  for (const ChunkGrid& grid : grids) {
    // Each factor comes from a checked array shape; together they may still be too many.
    uint64_t count = 0;
    if (__builtin_mul_overflow(grid.rows, grid.cells.size(), &count) || count > kMostPlanned - total) {
      return base::InvalidArgument("the variables have more than 2^27 chunks: rechunk them (seamount prepare)");
    }
    total += count;
    numbers.first_.push_back(static_cast<uint32_t>(total));
  }
  numbers.grids_ = std::move(grids);
  return numbers;
}

uint32_t ChunkNumbers::RowBegin(uint32_t variable, uint64_t row) const {
  return first_[variable] + static_cast<uint32_t>(row * grids_[variable].cells.size());
}

uint32_t ChunkNumbers::VariableOf(uint32_t chunk) const {
  return static_cast<uint32_t>(std::upper_bound(first_.begin(), first_.end(), chunk) - first_.begin() - 1);
}

ChunkNumbers::Place ChunkNumbers::PlaceOf(uint32_t chunk) const {
  const uint32_t variable = VariableOf(chunk);
  const uint32_t within = chunk - first_[variable];
  const auto& cells = grids_[variable].cells;
  return {variable, within / cells.size(), cells[within % cells.size()]};
}

uint64_t ChunkNumbers::BytesOf(uint32_t chunk) const { return grids_[VariableOf(chunk)].chunk_bytes; }

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
    AppendUses(input, batch, uses);
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
  for (const uint32_t chunk : schedule.chunks) bytes.push_back(input.chunks->BytesOf(chunk));
  if (stop.stop_requested()) return cancelled();
  schedule.cache = PlanCache(uses, schedule.first_use.back(), bytes, input.limits, held_here, stop);
  if (stop.stop_requested()) return cancelled();
  return schedule;
}

}  // namespace seamount::loader
