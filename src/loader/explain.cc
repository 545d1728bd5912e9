#include "loader/explain.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

namespace seamount::loader {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kLookedAt = 3;  // chunks of a variable, and round trips

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

PlannedReads NoReads(size_t variables) {
  const std::vector<uint64_t> none(variables, 0);
  return {.chunks = none, .fetches = none, .requests = none, .first = std::vector<std::vector<uint32_t>>(variables)};
}

// Adds what one stretch reads. `seen`: the chunks of the epoch so far.
void Add(const Dataset& dataset, const Schedule& schedule, std::vector<bool>& seen, PlannedReads& reads) {
  reads.batches += schedule.batches();
  reads.uses += schedule.first_use.back();
  constexpr uint64_t kNoShard = UINT64_MAX;
  uint64_t shard_before = kNoShard;
  uint32_t variable_before = 0;
  for (uint32_t r = 0; r < schedule.cache.residencies.size(); ++r) {
    const uint32_t chunk = schedule.ChunkOf(r);
    const auto place = dataset.chunks.PlaceOf(chunk);
    if (!seen[chunk]) ++reads.chunks[place.variable];
    seen[chunk] = true;
    if (schedule.cache.residencies[r].held) continue;
    ++reads.fetches[place.variable];
    if (reads.first[place.variable].size() < kLookedAt) reads.first[place.variable].push_back(chunk);
    const zarr::Array& array = dataset.variables[place.variable].array();
    const bool sharded = array.metadata().shard_shape.has_value();
    const uint64_t shard = sharded ? array.UnitNumber(dataset.IndexOf(place)) : kNoShard;
    const bool together = sharded && shard == shard_before && place.variable == variable_before;
    if (!together) ++reads.requests[place.variable];
    shard_before = shard;
    variable_before = place.variable;
  }
}

}  // namespace

Result<std::array<PlannedReads, 2>> PlanReads(const PlannerOptions& options, PlanStart start,
                                              const CallContext& context) {
  const Dataset& dataset = options.source->dataset();
  const size_t variables = dataset.variables.size();
  uint64_t chunks = 0;
  for (const ChunkGrid& grid : dataset.chunks.grids()) chunks += grid.rows * grid.cells;
  std::array<PlannedReads, 2> epochs = {NoReads(variables), NoReads(variables)};
  Planner planner(options);
  std::vector<uint32_t> held;
  std::optional<Stretch> before;
  for (PlannedReads& reads : epochs) {
    std::vector<bool> seen(chunks);
    for (bool last = false; !last;) {
      planner.Begin(start, std::move(held), before ? &*before : nullptr);
      while (!planner.Wait(Clock::now() + std::chrono::milliseconds(20))) {
        if (context.stop.stop_requested()) return base::Cancelled("planning was stopped");
      }
      SEAMOUNT_TRY_ASSIGN(auto stretch, planner.Take());
      Add(dataset, stretch.schedule, seen, reads);
      last = stretch.schedule.last;
      held = stretch.schedule.Kept();
      start = After(stretch);
      before.emplace(std::move(stretch));
    }
  }
  return epochs;
}

Result<MeasuredReads> MeasureReads(const Dataset& dataset, const std::vector<std::vector<uint32_t>>& chunks,
                                   const Group& group, const CallContext& context) {
  MeasuredReads measured;
  measured.latency_seconds = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < kLookedAt; ++i) {
    const auto start = Clock::now();
    SEAMOUNT_TRY(group.store()->Stat("zarr.json", context));
    measured.latency_seconds = std::min(measured.latency_seconds, SecondsSince(start));
  }
  double fetching = 0;
  double decoding = 0;
  uint64_t encoded_bytes = 0;
  uint64_t decoded_bytes = 0;
  for (uint32_t v = 0; v < dataset.variables.size(); ++v) {
    zarr::Array& array = dataset.variables[v].array();
    uint64_t encoded_here = 0;
    uint64_t decoded_here = 0;
    for (const uint32_t chunk : chunks[v]) {
      const nd::Index index = dataset.IndexOf(dataset.chunks.PlaceOf(chunk));
      auto start = Clock::now();
      SEAMOUNT_TRY_ASSIGN(const auto fetched, array.FetchMany({&index, 1}, context));
      decoded_here += array.chunk_bytes();
      if (!fetched.chunks.front()) continue;
      fetching += std::max(0.0, SecondsSince(start) - measured.latency_seconds);
      encoded_here += fetched.chunks.front()->size();
      Buffer decoded(array.chunk_bytes());
      start = Clock::now();
      SEAMOUNT_TRY(array.Decode(index, *fetched.chunks.front(), decoded.span()));
      decoding += SecondsSince(start);
      decoded_bytes += array.chunk_bytes();
    }
    encoded_bytes += encoded_here;
    measured.encoded_ratio.push_back(
        decoded_here == 0 ? 0 : static_cast<double>(encoded_here) / static_cast<double>(decoded_here));
  }
  if (fetching > 0) measured.connection_bytes_per_second = static_cast<double>(encoded_bytes) / fetching;
  if (decoding > 0) measured.decode_bytes_per_second = static_cast<double>(decoded_bytes) / decoding;
  return measured;
}

}  // namespace seamount::loader
