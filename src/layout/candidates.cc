#include "layout/candidates.h"

#include <algorithm>
#include <set>

#include "nd/data_type.h"

namespace seamount::layout {
namespace {

constexpr uint64_t kSmallestChunkBytes = 4 << 10;  // below, what surrounds a request is larger than what it brings
constexpr uint64_t kMostShardChunks = 64;
constexpr uint64_t kLargestShardBytes = 64 << 20;  // a shard is encoded in memory, one per thread

uint64_t CeilDivide(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

std::optional<size_t> AxisOf(const zarr::ArrayMetadata& metadata, const std::string& dimension) {
  const auto& names = metadata.dimension_names;
  const auto found = std::find(names.begin(), names.end(), dimension);
  if (found == names.end()) return std::nullopt;
  return static_cast<size_t>(found - names.begin());
}

uint64_t ChunkBytes(const zarr::ArrayMetadata& metadata) {
  return nd::Elements(metadata.chunk_shape) * nd::SizeOf(metadata.data_type);
}

uint64_t Objects(const zarr::ArrayMetadata& metadata) {
  return nd::Elements(nd::GridShape(metadata.shape, metadata.shard_shape.value_or(metadata.chunk_shape)));
}

// The one with the largest field, by which the sizes of chunks are judged.
const zarr::ArrayMetadata* Largest(const Data& data, const std::string& sample_dim) {
  const zarr::ArrayMetadata* largest = nullptr;
  uint64_t most = 0;
  for (const NamedArray& array : data.arrays) {
    const auto axis = AxisOf(array.metadata, sample_dim);
    if (!axis) continue;
    const uint64_t steps = std::max<uint64_t>(1, array.metadata.shape[*axis]);
    const uint64_t field = nd::Elements(array.metadata.shape) / steps * nd::SizeOf(array.metadata.data_type);
    if (largest != nullptr && field <= most) continue;
    largest = &array.metadata;
    most = field;
  }
  return largest;
}

// Steps to a chunk that windows and batches suggest, besides the powers of two.
std::set<uint64_t> StepsOf(const loader::LoaderOptions& options, uint64_t length) {
  std::set<int64_t> leads;
  for (const loader::SlotOptions& slot : loader::SlotsOf(options)) leads.insert(slot.leads.begin(), slot.leads.end());
  std::set<uint64_t> steps;
  for (uint64_t power = 1; power < length; power *= 2) steps.insert(power);
  uint64_t run = 0;
  uint64_t longest = 1;
  for (auto lead = leads.begin(); lead != leads.end(); ++lead) {
    run = lead != leads.begin() && *lead == *std::prev(lead) + 1 ? run + 1 : 1;
    longest = std::max(longest, run);
  }
  steps.insert(longest);
  if (options.shuffle == loader::Shuffle::kNone) steps.insert(options.batch_size);
  steps.insert(length);
  while (!steps.empty() && *steps.rbegin() > length) steps.erase(std::prev(steps.end()));
  return steps;
}

// Extents of the field: all of it, and multiples of a patch.
std::vector<std::map<std::string, uint64_t>> FieldsOf(const zarr::ArrayMetadata& array, size_t axis,
                                                      const loader::PatchOptions& patches) {
  std::vector<std::map<std::string, uint64_t>> fields;
  const auto add = [&](double patch) {
    nd::Index chunk = array.shape;
    chunk[axis] = 1;
    for (const loader::PatchOptions::Dim& dim : patches.dims) {
      const auto d = AxisOf(array, dim.name);
      if (!d || patch == 0) continue;
      chunk[*d] =
          std::clamp<uint64_t>(static_cast<uint64_t>(patch * static_cast<double>(dim.size)), 1, array.shape[*d]);
    }
    SplitLarge(chunk, nd::SizeOf(array.data_type), axis);
    std::map<std::string, uint64_t> extents;
    for (size_t d = 0; d < chunk.size(); ++d) {
      if (d != axis && chunk[d] < array.shape[d]) extents[array.dimension_names[d]] = chunk[d];
    }
    if (std::find(fields.begin(), fields.end(), extents) == fields.end()) fields.push_back(std::move(extents));
  };
  add(0);
  if (patches.dims.empty()) return fields;
  for (const double patch : {8.0, 4.0, 2.0, 1.0, 0.5}) add(patch);
  return fields;
}

bool CloseTo(double value, double least) { return value <= least * 1.05; }

}  // namespace

void SplitLarge(nd::Index& chunk, size_t element_bytes, std::optional<size_t> keep) {
  while (nd::Elements(chunk) * element_bytes > kLargestChunkBytes) {
    size_t longest = chunk.size();
    for (size_t d = 0; d < chunk.size(); ++d) {
      if (keep && d == *keep) continue;
      if (chunk[d] > 1 && (longest == chunk.size() || chunk[d] > chunk[longest])) longest = d;
    }
    if (longest == chunk.size()) return;
    chunk[longest] = CeilDivide(chunk[longest], 2);
  }
}

uint64_t ShardChunks(uint64_t objects, uint64_t chunk_bytes, uint64_t chunks_along) {
  if (objects <= kManyObjects || chunk_bytes == 0 || chunk_bytes * 2 > kLargestShardBytes) return 1;
  return std::max<uint64_t>(1, std::min({kMostShardChunks, kLargestShardBytes / chunk_bytes, chunks_along}));
}

Data LaidOut(Data data, const std::string& sample_dim, const Candidate& candidate) {
  for (NamedArray& array : data.arrays) {
    zarr::ArrayMetadata& metadata = array.metadata;
    metadata.chunk_shape = metadata.shape;
    metadata.shard_shape.reset();
    for (size_t d = 0; d < metadata.shape.size(); ++d) {
      const auto named = candidate.chunk.find(metadata.dimension_names[d]);
      if (named != candidate.chunk.end()) metadata.chunk_shape[d] = std::min(named->second, metadata.shape[d]);
      metadata.chunk_shape[d] = std::max<uint64_t>(1, metadata.chunk_shape[d]);
    }
    const auto axis = AxisOf(metadata, sample_dim);
    if (!axis || candidate.shard_chunks <= 1 || metadata.format != 3) continue;
    metadata.shard_shape = metadata.chunk_shape;
    const uint64_t along = CeilDivide(metadata.shape[*axis], metadata.chunk_shape[*axis]);
    (*metadata.shard_shape)[*axis] *= std::min(candidate.shard_chunks, along);
  }
  return data;
}

std::vector<Candidate> Candidates(const Data& data, const loader::LoaderOptions& options, const std::string& sample_dim,
                                  bool may_shard) {
  std::vector<Candidate> candidates;
  const zarr::ArrayMetadata* array = Largest(data, sample_dim);
  if (array == nullptr || nd::Elements(array->shape) == 0) return candidates;
  const size_t axis = *AxisOf(*array, sample_dim);
  for (const auto& field : FieldsOf(*array, axis, options.patches)) {
    for (const uint64_t steps : StepsOf(options, array->shape[axis])) {
      Candidate candidate{.chunk = field};
      candidate.chunk[sample_dim] = steps;
      const Data laid_out = LaidOut({.arrays = {{"", *array}}}, sample_dim, candidate);
      const zarr::ArrayMetadata& metadata = laid_out.arrays[0].metadata;
      const uint64_t bytes = ChunkBytes(metadata);
      // What is smaller is left out, as long as a longer one is there; what is larger, as long as a shorter one is.
      if (bytes > kLargestChunkBytes && steps > 1) break;
      if (bytes < kSmallestChunkBytes && steps < array->shape[axis]) continue;
      if (may_shard) {
        const uint64_t along = CeilDivide(array->shape[axis], metadata.chunk_shape[axis]);
        candidate.shard_chunks = ShardChunks(Objects(metadata), bytes, along);
      }
      candidates.push_back(std::move(candidate));
    }
  }
  return candidates;
}

Result<std::vector<Ranked>> Rank(const Data& data, const loader::LoaderOptions& options, const std::string& sample_dim,
                                 const std::vector<Candidate>& candidates, const Terms& terms) {
  std::vector<Ranked> ranked;
  std::optional<Error> why;
  for (const Candidate& candidate : candidates) {
    const Data laid_out = LaidOut(data, sample_dim, candidate);
    Ranked one{.candidate = candidate};
    const zarr::ArrayMetadata* array = Largest(laid_out, sample_dim);
    if (array != nullptr) {
      one.chunk = array->chunk_shape;
      one.shard = array->shard_shape;
      one.chunk_bytes = ChunkBytes(*array);
    }
    for (const NamedArray& each : laid_out.arrays) one.objects += Objects(each.metadata);
    auto costs = CostOf(laid_out, options, terms);
    if (costs) {
      one.costs = *costs;
    } else {
      one.impossible = costs.error().message();
      if (!why) why = costs.error();
    }
    ranked.push_back(std::move(one));
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return std::pair(!a.impossible.empty(), a.costs.seconds) < std::pair(!b.impossible.empty(), b.costs.seconds);
  });
  if (ranked.empty()) return base::InvalidArgument("no array has the dimension '" + sample_dim + "'");
  if (!ranked.front().impossible.empty()) return *why;
  const auto end = std::find_if(ranked.begin(), ranked.end(), [&](const Ranked& one) {
    return !one.impossible.empty() || !CloseTo(one.costs.seconds, ranked.front().costs.seconds);
  });
  double cheapest = ranked.front().costs.usd;
  for (auto one = ranked.begin(); one != end; ++one) cheapest = std::min(cheapest, one->costs.usd);
  auto best = ranked.begin();
  for (auto one = ranked.begin(); one != end; ++one) {
    const bool dear = !CloseTo(best->costs.usd, cheapest);
    if (CloseTo(one->costs.usd, cheapest) && (dear || one->costs.bytes < best->costs.bytes)) best = one;
  }
  std::rotate(ranked.begin(), best, best + 1);
  return ranked;
}

}  // namespace seamount::layout
