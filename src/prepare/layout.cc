#include "prepare/layout.h"

#include <algorithm>

#include "base/text.h"

namespace seamount::prepare {
namespace {

using nd::Elements;
using nd::Index;

constexpr uint64_t kGoodChunkBytes = 1 << 20;       // 30 ms of a 35 MB/s stream: smaller chunks arrive no sooner
constexpr uint64_t kPlainChunkBytes = 4 << 20;      // without a minibatch in mind: few requests, still cheap to decode
constexpr uint64_t kLargestChunkBytes = 32 << 20;   // several in flight per thread must fit in a free notebook's memory
constexpr uint64_t kSmallestKeptBytes = 128 << 10;  // source chunks below this are not worth keeping
constexpr uint64_t kManyChunks = 10'000;            // objects: from here listing and copying them becomes a burden
constexpr uint64_t kShardChunks = 64;
constexpr uint64_t kLargestShardBytes = 64 << 20;  // a shard is encoded in memory, one per thread
constexpr uint64_t kTaskBytes = 64 << 20;          // growing tasks stops here: one per thread must fit in 1 GiB easily
constexpr uint64_t kSpilledTaskBytes = 16 << 20;   // where that does not cover a source chunk, growing is of little use

uint64_t CeilDivide(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// Halves the longest other dimension until a chunk is decodable in one piece.
void SplitLarge(Index& chunk, size_t element_bytes, std::optional<size_t> keep) {
  while (Elements(chunk) * element_bytes > kLargestChunkBytes) {
    size_t longest = chunk.size();
    for (size_t d = 0; d < chunk.size(); ++d) {
      if (keep && d == *keep) continue;
      if (chunk[d] > 1 && (longest == chunk.size() || chunk[d] > chunk[longest])) longest = d;
    }
    if (longest == chunk.size()) return;
    chunk[longest] = CeilDivide(chunk[longest], 2);
  }
}

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

Layout FromMinibatch(const LayoutRequest& request) {
  const size_t sample = *request.sample_dimension;
  const Minibatch& batch = *request.minibatch;
  Layout out;
  out.chunk = request.shape;
  out.chunk[sample] = 1;
  SplitLarge(out.chunk, request.element_bytes, sample);
  const uint64_t field = std::max<uint64_t>(1, Elements(out.chunk) * request.element_bytes);
  // Of leads far apart each is fetched by itself.
  const uint64_t window = batch.LongestRun();
  const uint64_t most = batch.shuffle ? window : std::max(window, batch.batch);
  out.chunk[sample] = std::clamp<uint64_t>(kGoodChunkBytes / field, 1, std::min(most, request.shape[sample]));
  out.reason = std::to_string(out.chunk[sample]) + " steps of " + base::FormatBytes(field) + " to a chunk: " +
               (field >= kGoodChunkBytes ? "one step fills a request of 1 MiB"
                : out.chunk[sample] == most
                    ? (batch.shuffle ? "no more than one shuffled window of " : "as many as a batch reads in order, ") +
                          std::to_string(most) + " steps"
                    : "a request of 1 MiB costs little more than its round trip");
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
  if (request.may_shard && !split && count > kManyChunks && chunk_bytes * 2 <= kLargestShardBytes) {
    const size_t along = request.sample_dimension.value_or(0);
    const uint64_t chunks =
        std::min({kShardChunks, kLargestShardBytes / chunk_bytes, CeilDivide(request.shape[along], out.chunk[along])});
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
