// The chunk and shard shapes that are worth comparing for a minibatch, what each costs, and which of them to take.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "layout/cost.h"
#include "nd/box.h"

namespace seamount::layout {

inline constexpr uint64_t kLargestChunkBytes =
    32 << 20;                                     // several in flight per thread must fit in a free notebook's memory
inline constexpr uint64_t kManyObjects = 10'000;  // from here listing and copying them becomes a burden

// Halves the longest dimension but `keep` until a chunk is decodable in one piece.
void SplitLarge(nd::Index& chunk, size_t element_bytes, std::optional<size_t> keep);

// Extents by dimension; an array has whole dimensions where they are not named.
struct Candidate {
  std::map<std::string, uint64_t> chunk;
  uint64_t shard_chunks = 1;  // along the sample dimension; 1: no shards

  bool operator==(const Candidate&) const = default;
};

// How many chunks to a shard, along a dimension of `length`: 1 where chunks are few enough to be objects.
uint64_t ShardChunks(uint64_t objects, uint64_t chunk_bytes, uint64_t chunks_along);

// The arrays, laid out so. Static ones (without the sample dimension) have no shards.
Data LaidOut(Data data, const std::string& sample_dim, const Candidate& candidate);

// Along the samples: powers of two up to a chunk's largest size, and what the windows and batches ask for by
// themselves. Across: the whole field, and where there are patches, halves to eight times of one.
std::vector<Candidate> Candidates(const Data& data, const loader::LoaderOptions& options, const std::string& sample_dim,
                                  bool may_shard);

struct Ranked {
  Candidate candidate;
  nd::Index chunk;  // of the first array that has the sample dimension
  std::optional<nd::Index> shard;
  uint64_t chunk_bytes = 0;  // decoded
  uint64_t objects = 0;      // that are written
  Costs costs;
  std::string impossible;  // why the loader would not open; empty: it would
};

// All of them, the best first, what is impossible last. The best is the fastest; of those that take not a twentieth
// longer, the cheapest; of those that cost not a twentieth more, the one that reads the fewest bytes, as links are
// shared. InvalidArgument where none is possible.
Result<std::vector<Ranked>> Rank(const Data& data, const loader::LoaderOptions& options, const std::string& sample_dim,
                                 const std::vector<Candidate>& candidates, const Terms& terms);

}  // namespace seamount::layout
