// What a sample is, of one variable: a box whose place along the sample dimension goes with the sample. The chunks that
// a sample needs follow from it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "zarr/array.h"

namespace seamount::loader {

// In place of an axis: a static field, the same for every sample.
inline constexpr size_t kNoAxis = SIZE_MAX;

struct Window {
  size_t axis = 0;   // the sample dimension, or kNoAxis
  nd::Index offset;  // along `axis` 0: the sample's position is added
  nd::Index extent;  // along `axis` 1: each lead is a box of its own

  // The whole of every dimension but the samples'.
  static Window Whole(const nd::Index& shape, size_t axis);
  // The box at a position of the sample dimension; of a static field always the same.
  nd::Box At(uint64_t position) const;
};

// The chunks of one variable as its samples meet them. Those that hold the same positions form a row; of each row a
// window touches the same ones. A static field is one row, of one position.
struct ChunkGrid {
  uint64_t chunk_samples = 1;   // positions of the sample dimension in one chunk
  uint64_t rows = 1;            // chunks along the sample dimension
  std::vector<uint64_t> cells;  // of a row, those that the window touches: numbers in C order without the axis
  uint64_t chunk_bytes = 0;     // decoded
};
ChunkGrid GridOf(const zarr::Array& array, const Window& window);

// The chunk in `row` along the axis that is number `cell` of that row. axis may be kNoAxis.
nd::Index ChunkIndex(const nd::Index& grid_shape, size_t axis, uint64_t row, uint64_t cell);

}  // namespace seamount::loader
