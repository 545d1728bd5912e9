// The chunks of all variables in one numbering, which is all that planning and memory know of them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "loader/window.h"

namespace seamount::loader {

// Variable by variable, row by row, cell by cell.
class ChunkNumbers {
 public:
  struct Place {
    uint32_t variable;
    uint64_t row;
    uint64_t cell;  // of the row
  };
  // InvalidArgument beyond kMostPlanned chunks.
  static Result<ChunkNumbers> Make(std::vector<ChunkGrid> grids);
  const std::vector<ChunkGrid>& grids() const { return grids_; }
  // Of the first chunk in a row; the row's others follow.
  uint32_t RowBegin(uint32_t variable, uint64_t row) const;
  Place PlaceOf(uint32_t chunk) const;
  uint64_t BytesOf(uint32_t chunk) const;

 private:
  uint32_t VariableOf(uint32_t chunk) const;
  std::vector<ChunkGrid> grids_;
  std::vector<uint32_t> first_;  // of each variable, and the end
};

}  // namespace seamount::loader
