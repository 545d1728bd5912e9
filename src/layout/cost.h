// What an epoch of minibatches costs of arrays that lie in these chunks and shards, before anything lies there. A pure
// function of its arguments.
//
// How it works: the arrays' documents alone go into a group in memory, and over it the loader's own planning is run:
// samples, patches, the shuffled order, memory, and the schedule of its cache. What that would fetch is counted. So
// nothing is supposed of what the loader does; a model are only the seconds and the dollars that it takes (Terms).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "loader/options.h"
#include "zarr/metadata.h"

namespace seamount::layout {

struct NamedArray {
  std::string name;
  zarr::ArrayMetadata metadata;
};

struct Data {
  std::vector<NamedArray> arrays;
  std::string group_attributes_json = "{}";  // gaps are noted there
  double stored_share = 1;                   // bytes that are stored for each decoded one
};

// The way to the data, and what is asked for it.
struct Terms {
  double latency_seconds = 0.030;             // until the first byte of a request comes
  double connection_bytes_per_second = 50e6;  // then
  double link_bytes_per_second = 200e6;       // of all connections together
  int cores = 2;
  double core_bytes_per_second = 1e9;  // that each decodes and copies
  double usd_per_10k_reads = 0.004;
  double usd_per_gib = 0;  // of traffic
  // Uses of chunks that are planned through; a longer epoch is told from so much of it.
  uint64_t most_uses = uint64_t{1} << 20;
};

// Of the first epoch, of one rank. Later ones find what memory holds.
struct Costs {
  uint64_t samples = 0;
  uint64_t chunks = 0;          // fetched, one as often as it is
  uint64_t requests = 0;        // for chunks
  uint64_t index_requests = 0;  // for the indices of shards
  uint64_t bytes = 0;           // fetched, as stored
  uint64_t decoded_bytes = 0;   // of these chunks
  uint64_t batch_bytes = 0;     // of all batches: what is asked for
  double reread = 0;            // how often a chunk is fetched, of those that the epoch touches
  uint64_t connections = 0;     // at a time, as memory allows
  double seconds = 0;
  double usd = 0;

  double requests_per_sample() const { return PerSample(requests + index_requests); }
  double bytes_per_sample() const { return PerSample(bytes); }
  double samples_per_second() const { return seconds > 0 ? static_cast<double>(samples) / seconds : 0; }

 private:
  double PerSample(uint64_t all) const {
    return samples > 0 ? static_cast<double>(all) / static_cast<double>(samples) : 0;
  }
};

// The options' normalisation does not matter. InvalidArgument as from Loader::Open: no such variable, no sample fits,
// the memory is too small.
Result<Costs> CostOf(const Data& data, loader::LoaderOptions options, const Terms& terms);

}  // namespace seamount::layout
