// One epoch, laid out: which samples each batch holds, which chunks it needs, and when each chunk is in memory. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "loader/order.h"
#include "loader/plan.h"

namespace seamount::loader {

// What the schedule has to know of a variable.
struct ChunkGrid {
  uint64_t chunk_samples = 1;  // positions of the sample dimension in one chunk
  uint64_t rows = 1;           // chunks along the sample dimension
  uint64_t field_chunks = 1;   // chunks in each row
  uint64_t chunk_bytes = 0;    // decoded
};

// All chunks of all variables in one numbering: variable by variable, row by row.
class ChunkNumbers {
 public:
  struct Place {
    uint32_t variable;
    uint64_t row;
    uint64_t field_chunk;
  };
  // InvalidArgument beyond kMostPlanned chunks.
  static Result<ChunkNumbers> Make(std::vector<ChunkGrid> grids);
  const std::vector<ChunkGrid>& grids() const { return grids_; }
  uint32_t NumberOf(const Place& place) const;
  Place PlaceOf(uint32_t chunk) const;
  std::vector<uint64_t> Bytes() const;  // of each chunk

 private:
  std::vector<ChunkGrid> grids_;
  std::vector<uint32_t> first_;  // of each variable, and the end
};

// A position of the sample dimension and one place where its field goes.
struct Placement {
  uint64_t position = 0;
  uint32_t sample = 0;  // within the batch
  uint32_t lead = 0;    // index into the leads
};

// Sorted by position.
std::vector<Placement> PlacementsOf(std::span<const uint64_t> samples, std::span<const int64_t> leads);

struct Schedule {
  std::vector<uint64_t> order;      // of the whole epoch
  std::vector<BatchRange> batches;  // from the position on
  std::vector<uint32_t> uses;       // chunk numbers: batch by batch, variable by variable, row by row
  std::vector<uint32_t> batch_of;   // of each use
  std::vector<uint32_t> first_use;  // of each batch, and the end
  CachePlan cache;

  std::span<const uint64_t> SamplesOf(uint32_t batch) const {
    return std::span(order).subspan(batches[batch].begin, batches[batch].end - batches[batch].begin);
  }
};

// InvalidArgument where an epoch needs more than kMostPlanned uses of chunks.
Result<Schedule> MakeSchedule(std::vector<uint64_t> order, std::vector<BatchRange> batches,
                              std::span<const int64_t> leads, const ChunkNumbers& chunks, const CacheLimits& limits,
                              std::span<const uint32_t> held);

}  // namespace seamount::loader
