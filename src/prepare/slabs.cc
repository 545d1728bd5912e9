#include "prepare/slabs.h"

#include <algorithm>

#include "nd/box.h"

namespace seamount::prepare {
namespace {

// Decoding a chunk again costs about what writing and reading its content on a local disk does; being read three times
// is worth the second pass.
constexpr double kSpillFrom = 3;

using nd::Index;

// Where the source's chunk of a place ends: chunks are counted from the start of each of the joined files.
uint64_t ChunkEnd(const PlannedDimension& dimension, uint64_t chunk, uint64_t place) {
  const auto next = std::upper_bound(dimension.joins.begin(), dimension.joins.end(), place);
  const uint64_t start = next == dimension.joins.begin() ? 0 : *(next - 1);
  const uint64_t end = start + ((place - start) / chunk + 1) * chunk;
  return next == dimension.joins.end() ? end : std::min(end, *next);
}

// Where chunks of `chunk` source elements end, in output coordinates; every `growth`-th end, and that of every run.
Index Edges(const PlannedDimension& dimension, uint64_t chunk, uint64_t growth) {
  Index edges = {0};
  uint64_t at = 0;
  for (const IndexRun& run : dimension.runs) {
    const uint64_t end = run.start + run.count;
    uint64_t chunks = 0;
    for (uint64_t from = run.start; from < end;) {
      const uint64_t to = std::min(end, ChunkEnd(dimension, chunk, from));
      at += to - from;
      from = to;
      if (++chunks % growth == 0 || to == end) edges.push_back(at);
    }
  }
  return edges;
}

// The slabs first..last-1 that [start, start + count) touches.
struct Range {
  size_t first = 0;
  size_t last = 0;
};
Range Touched(const Index& edges, uint64_t start, uint64_t count) {
  if (count == 0) return {};
  const auto first = std::upper_bound(edges.begin(), edges.end(), start) - 1;
  const auto last = std::lower_bound(first, edges.end(), start + count);
  return {static_cast<size_t>(first - edges.begin()), static_cast<size_t>(last - edges.begin())};
}

}  // namespace

SlabGrid::SlabGrid(const Plan& plan, size_t array, uint64_t elements) {
  const DataArray& planned = plan.arrays[array];
  const Index& shape = planned.metadata.shape;
  const Index& chunk = planned.source_chunk;
  const size_t rank = shape.size();
  Index growth(rank, 1);
  uint64_t now = 1;
  for (size_t d = 0; d < rank; ++d) now *= std::clamp<uint64_t>(shape[d], 1, chunk[d]);
  for (size_t d = rank; d-- > 0;) {
    const uint64_t most = std::max<uint64_t>(1, (shape[d] + chunk[d] - 1) / chunk[d]);
    growth[d] = std::clamp<uint64_t>(elements / now, 1, most);
    now *= growth[d];
    if (growth[d] < most) break;
  }
  for (const std::string& name : planned.source_dimensions) {
    const PlannedDimension& dimension = plan.selection.Find(name);
    const size_t d = edges_.size();
    if (!dimension.dropped) edges_.push_back(Edges(dimension, chunk[d], growth[d]));
  }
}

uint64_t SlabGrid::Count(const nd::Box& region) const {
  uint64_t count = 1;
  for (size_t d = 0; d < edges_.size(); ++d) {
    const Range range = Touched(edges_[d], region.origin[d], region.shape[d]);
    count *= range.last - range.first;
  }
  return count;
}

Result<void> SlabGrid::ForEach(const nd::Box& region, const std::function<Result<void>(const nd::Box&)>& each) const {
  const size_t rank = edges_.size();
  if (Count(region) == 0) return {};
  std::vector<Range> ranges(rank);
  std::vector<size_t> at(rank);
  for (size_t d = 0; d < rank; ++d) {
    ranges[d] = Touched(edges_[d], region.origin[d], region.shape[d]);
    at[d] = ranges[d].first;
  }
  for (bool more = true; more;) {
    nd::Box slab{Index(rank), Index(rank)};
    for (size_t d = 0; d < rank; ++d) {
      const uint64_t start = std::max(edges_[d][at[d]], region.origin[d]);
      slab.origin[d] = start;
      slab.shape[d] = std::min(edges_[d][at[d] + 1], region.origin[d] + region.shape[d]) - start;
    }
    SEAMOUNT_TRY(each(slab));
    more = false;
    for (size_t d = rank; d-- > 0 && !more;) {
      more = ++at[d] < ranges[d].last;
      if (!more) at[d] = ranges[d].first;
    }
  }
  return {};
}

Index SlabGrid::LargestShape() const {
  Index shape;
  for (const Index& edges : edges_) {
    uint64_t largest = 0;
    for (size_t i = 1; i < edges.size(); ++i) largest = std::max(largest, edges[i] - edges[i - 1]);
    shape.push_back(largest);
  }
  return shape;
}

double Decodings(const Plan& plan, const SourceFacts& facts, const std::vector<size_t>& tasks) {
  if (tasks.empty()) return 0;
  const size_t array = plan.tasks[tasks[0]].array;
  const DataArray& planned = plan.arrays[array];
  if (facts.variables[planned.input].chunk_shape.empty()) return 1;  // any part of it can be read by itself
  const SlabGrid chunks(plan, array, 1);
  double touched = 0;
  for (const size_t t : tasks) touched += static_cast<double>(chunks.Count(plan.tasks[t].region));
  const Index& shape = planned.metadata.shape;
  const double all = static_cast<double>(chunks.Count({Index(shape.size(), 0), shape}));
  return touched / std::min(touched, all);
}

bool WantsSpill(const Plan& plan, const SourceFacts& facts, const std::vector<size_t>& tasks) {
  return Decodings(plan, facts, tasks) >= kSpillFrom;
}

}  // namespace seamount::prepare
