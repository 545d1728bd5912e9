#include "loader/chunk_numbers.h"

#include <algorithm>

#include "loader/plan.h"

namespace seamount::loader {

Result<ChunkNumbers> ChunkNumbers::Make(std::vector<ChunkGrid> grids) {
  ChunkNumbers numbers;
  uint64_t total = 0;
  numbers.first_.push_back(0);
  for (const ChunkGrid& grid : grids) {
    // Each factor comes from a checked array shape; together they may still be too many.
    uint64_t count = 0;
    if (__builtin_mul_overflow(grid.rows, grid.cells, &count) || count > kMostPlanned - total) {
      return base::InvalidArgument("the variables have more than 2^27 chunks: rechunk them (seamount prepare)");
    }
    total += count;
    numbers.first_.push_back(static_cast<uint32_t>(total));
  }
  numbers.grids_ = std::move(grids);
  return numbers;
}

uint32_t ChunkNumbers::RowBegin(uint32_t variable, uint64_t row) const {
  return first_[variable] + static_cast<uint32_t>(row * grids_[variable].cells);
}

uint32_t ChunkNumbers::VariableOf(uint32_t chunk) const {
  return static_cast<uint32_t>(std::upper_bound(first_.begin(), first_.end(), chunk) - first_.begin() - 1);
}

ChunkNumbers::Place ChunkNumbers::PlaceOf(uint32_t chunk) const {
  const uint32_t variable = VariableOf(chunk);
  const uint32_t within = chunk - first_[variable];
  const uint64_t cells = grids_[variable].cells;
  return {variable, within / cells, within % cells};
}

uint64_t ChunkNumbers::BytesOf(uint32_t chunk) const { return grids_[VariableOf(chunk)].chunk_bytes; }

}  // namespace seamount::loader
