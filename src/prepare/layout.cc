#include "prepare/layout.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "layout/candidates.h"
#include "nd/data_type.h"

namespace seamount::prepare {
namespace {

using layout::kLargestChunkBytes;
using layout::SplitLarge;
using nd::Elements;
using nd::Index;

constexpr size_t kMostArrays = 4;                  // beyond, so many with their share of the memory tell as much
const layout::Terms kTerms{.most_uses = 1 << 15};  // a part of a long epoch, as it is for one choice among few
constexpr uint64_t kMostMemory = uint64_t{1} << 40;
constexpr uint64_t kPlainChunkBytes = 4 << 20;      // without a minibatch in mind: few requests, still cheap to decode
constexpr uint64_t kSmallestKeptBytes = 128 << 10;  // source chunks below this are not worth keeping
constexpr uint64_t kTaskBytes = 64 << 20;           // growing tasks stops here: one per thread must fit in 1 GiB easily
constexpr uint64_t kSpilledTaskBytes = 16 << 20;  // where that does not cover a source chunk, growing is of little use

uint64_t CeilDivide(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

bool Named(const std::vector<Extent>& extents) { return !extents.empty(); }

Index Explicit(const LayoutRequest& request, const std::vector<Extent>& extents, const Index& otherwise) {
  Index out = otherwise;
  for (size_t d = 0; d < out.size(); ++d) {
    for (const Extent& extent : extents) {
      if (extent.dimension == request.dimensions[d]) out[d] = extent.size;
    }
  }
  return out;
}

Layout FromSource(const LayoutRequest& request) {
  Layout out;
  if (!request.source_chunk.empty()) {
    out.chunk = request.source_chunk;
    for (size_t d = 0; d < out.chunk.size(); ++d) out.chunk[d] = std::min(out.chunk[d], request.shape[d]);
    const uint64_t bytes = Elements(out.chunk) * request.element_bytes;
    if (bytes >= kSmallestKeptBytes && bytes <= kLargestChunkBytes) {
      out.reason = "as the source: every chunk is decoded once";
      return out;
    }
  }
  out.chunk = request.shape;
  // Whole inner dimensions, and of the outermost as many steps as make a good chunk.
  if (!out.chunk.empty()) {
    out.chunk[0] = 1;
    SplitLarge(out.chunk, request.element_bytes, std::nullopt);
    const uint64_t row = std::max<uint64_t>(1, Elements(out.chunk) * request.element_bytes);
    out.chunk[0] = std::clamp<uint64_t>(kPlainChunkBytes / row, 1, request.shape[0]);
  }
  out.reason = "about 4 MiB to a chunk; a 'minibatch' in the recipe would fit it to how it is read";
  return out;
}

std::vector<std::string> NamesOf(const LayoutRequest& request) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::clamp<size_t>(request.arrays, 1, kMostArrays); ++i) names.push_back(std::to_string(i));
  return names;
}

// What is read together, as the model takes it: arrays that are all like this one. What their numbers are does not
// matter, but how long they are.
layout::Data DataOf(const LayoutRequest& request) {
  zarr::ArrayMetadata metadata{.shape = request.shape, .dimension_names = request.dimensions};
  metadata.data_type = request.element_bytes == 1   ? nd::DataType::kInt8
                       : request.element_bytes == 2 ? nd::DataType::kInt16
                       : request.element_bytes == 4 ? nd::DataType::kFloat32
                                                    : nd::DataType::kFloat64;
  metadata.fill_value = Bytes::Copy(std::vector<std::byte>(nd::SizeOf(metadata.data_type)));
  layout::Data data;
  for (const std::string& name : NamesOf(request)) data.arrays.push_back({name, metadata});
  return data;
}

loader::LoaderOptions OptionsOf(const LayoutRequest& request) {
  const Minibatch& batch = *request.minibatch;
  loader::LoaderOptions options{.variables = NamesOf(request),
                                .inputs = batch.inputs,
                                .targets = batch.targets,
                                .sample_dim = request.dimensions[*request.sample_dimension],
                                .batch_size = batch.batch,
                                .shuffle = batch.shuffle};
  if (request.arrays > kMostArrays) options.memory_bytes = options.memory_bytes / request.arrays * kMostArrays;
  for (const Extent& patch : batch.patches) {
    const auto named = std::find(request.dimensions.begin(), request.dimensions.end(), patch.dimension);
    const auto d = static_cast<size_t>(named - request.dimensions.begin());
    if (named == request.dimensions.end() || d == *request.sample_dimension) continue;
    const uint64_t size = std::min(patch.size, request.shape[d]);
    options.patches.dims.push_back({patch.dimension, size, size});
    options.patches.random = 1;
  }
  return options;
}

Layout FromMinibatch(const LayoutRequest& request) {
  Layout out;
  const layout::Data data = DataOf(request);
  loader::LoaderOptions options = OptionsOf(request);
  const auto candidates = layout::Candidates(data, options, options.sample_dim, request.may_shard);
  auto ranked = layout::Rank(data, options, options.sample_dim, candidates, kTerms);
  // Batches that a loader's usual memory does not hold need more of it.
  while (!ranked && options.memory_bytes < kMostMemory) {
    options.memory_bytes *= 2;
    ranked = layout::Rank(data, options, options.sample_dim, candidates, kTerms);
  }
  if (!ranked) {  // such as more steps to a sample than there are, which the planner tells
    out = FromSource(request);
    out.reason = "no sample of the minibatch fits; " + out.reason;
    return out;
  }
  const layout::Ranked& best = ranked->front();
  out.chunk = best.chunk;
  char text[200];
  std::snprintf(
      text, sizeof text,
      "%llu steps of %s to a chunk: of %zu shapes the best for the minibatch, with %.3g requests and %s a sample, "
      "each chunk read %.3g times an epoch",
      static_cast<unsigned long long>(best.chunk[*request.sample_dimension]),
      base::FormatBytes(best.chunk_bytes / best.chunk[*request.sample_dimension]).c_str(), ranked->size(),
      best.costs.requests_per_sample(), base::FormatBytes(static_cast<uint64_t>(best.costs.bytes_per_sample())).c_str(),
      best.costs.reread);
  out.reason = text;
  return out;
}

}  // namespace

Layout SolveLayout(const LayoutRequest& request) {
  Layout out;
  if (Elements(request.shape) == 0) {
    out.chunk = request.shape;
    for (uint64_t& extent : out.chunk) extent = std::max<uint64_t>(1, extent);
    out.reason = "empty";
    return out;
  }
  const auto touches = [&](const std::vector<Extent>& extents) {
    return std::any_of(extents.begin(), extents.end(), [&](const Extent& extent) {
      return std::find(request.dimensions.begin(), request.dimensions.end(), extent.dimension) !=
             request.dimensions.end();
    });
  };
  if (touches(request.chunks)) {
    out.chunk = Explicit(request, request.chunks, request.shape);
    for (size_t d = 0; d < out.chunk.size(); ++d) out.chunk[d] = std::min(out.chunk[d], request.shape[d]);
    out.reason = "as the recipe says";
  } else if (request.minibatch && request.sample_dimension && request.before && request.before->same_minibatch) {
    out.chunk = request.before->chunk;
    out.reason = "as it lies there, for the same minibatch";
  } else {
    out = request.minibatch && request.sample_dimension ? FromMinibatch(request) : FromSource(request);
  }
  if (touches(request.shards)) {
    // A shard is whole chunks: what is asked for is rounded up.
    out.shard = Explicit(request, request.shards, out.chunk);
    for (size_t d = 0; d < out.chunk.size(); ++d) {
      const uint64_t most = CeilDivide(request.shape[d], out.chunk[d]);
      (*out.shard)[d] = std::min(CeilDivide((*out.shard)[d], out.chunk[d]), most) * out.chunk[d];
    }
    out.reason += "; shards as the recipe says";
    return out;
  }
  if (request.before && request.may_shard && request.before->chunk == out.chunk) {
    out.shard = request.before->shard;
    out.reason += out.shard ? "; shards as they are" : "";
    return out;
  }
  uint64_t count = 1;
  for (size_t d = 0; d < out.chunk.size(); ++d) count *= CeilDivide(request.shape[d], out.chunk[d]);
  const uint64_t chunk_bytes = Elements(out.chunk) * request.element_bytes;
  const bool split = Named(request.chunks) || Named(request.shards);
  if (request.may_shard && !split && !out.chunk.empty()) {
    const size_t along = request.sample_dimension.value_or(0);
    const uint64_t chunks = layout::ShardChunks(count, chunk_bytes, CeilDivide(request.shape[along], out.chunk[along]));
    if (chunks > 1) {
      out.shard = out.chunk;
      (*out.shard)[along] *= chunks;
      out.reason +=
          "; " + std::to_string(chunks) + " chunks to a shard: " + std::to_string(count) + " objects would be many";
    }
  }
  return out;
}

namespace {
// Grows the unit towards the source's chunk, inner dimensions first: they make the longer reads. True if it got there.
bool Grow(Index& task, const Index& shape, const Index& unit, const Index& source_chunk, size_t element_bytes,
          uint64_t limit) {
  bool covers = true;
  for (size_t d = unit.size(); d-- > 0;) {
    if (d >= source_chunk.size()) continue;
    const uint64_t most = CeilDivide(shape[d], unit[d]) * unit[d];
    const uint64_t wanted = std::min(CeilDivide(source_chunk[d], unit[d]) * unit[d], most);
    if (wanted <= task[d]) continue;
    const uint64_t others = std::max<uint64_t>(1, Elements(task) / task[d] * element_bytes);
    const uint64_t fits = limit / others / unit[d] * unit[d];
    task[d] = std::clamp(fits, unit[d], wanted);
    covers = covers && task[d] == wanted;
  }
  return covers;
}
}  // namespace

nd::Index TaskShape(const Index& shape, const Index& unit, const Index& source_chunk, size_t element_bytes) {
  Index task = unit;
  if (Grow(task, shape, unit, source_chunk, element_bytes, kTaskBytes)) return task;
  task = unit;
  Grow(task, shape, unit, source_chunk, element_bytes, kSpilledTaskBytes);
  return task;
}

}  // namespace seamount::prepare
