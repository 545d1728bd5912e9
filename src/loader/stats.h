// What a loader counts.
#pragma once

#include <cstdint>

namespace seamount::loader {

// Since the loader was made; only ever added to.
struct Stats {
  uint64_t batches = 0;
  uint64_t samples = 0;
  uint64_t chunks_fetched = 0;
  uint64_t chunks_absent = 0;  // of these, not stored: filled with the fill value
  uint64_t bytes_fetched = 0;  // encoded
  uint64_t requests = 0;       // reads of the store for chunks
  uint64_t chunks_decoded = 0;
  uint64_t bytes_decoded = 0;
  uint64_t chunk_hits = 0;     // uses that found their chunk decoded already
  uint64_t fetch_threads = 0;  // most at a time
  uint64_t memory_peak = 0;    // bytes of the budget
  double wait_seconds = 0;     // that Next waited for a batch
};

}  // namespace seamount::loader
