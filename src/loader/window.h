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
  nd::Index extent;  // along `axis` 1: each lead is a box of its own

  // A dimension that patches crop. Elsewhere the window has all of it.
  struct Crop {
    size_t dim = 0;
    size_t patch_dim = 0;  // number among the patches'
    uint64_t scale = 1;    // positions for each of the patches'
    uint64_t length = 0;   // what reaches beyond begins again at 0
  };
  std::vector<Crop> crops;

  // The whole of every dimension but the samples'.
  static Window Whole(const nd::Index& shape, size_t axis);
  // Without the sample dimension.
  nd::Index FieldShape() const;

  // What of the window lies together in the array, and where in the window it begins.
  struct Piece {
    nd::Box box;
    nd::Index within;
  };
  // At a position of the sample dimension, which does not matter for a static field, and a patch's place. Together the
  // pieces are the window; there are several where it reaches over the end of a dimension.
  std::vector<Piece> At(uint64_t position, std::span<const uint64_t> place) const;
};

// The chunks of one variable as its samples meet them. Those that hold the same positions form a row. A static field is
// one row, of one position.
struct ChunkGrid {
  uint64_t chunk_samples = 1;  // positions of the sample dimension in one chunk
  uint64_t rows = 1;           // chunks along the sample dimension
  uint64_t cells = 1;          // chunks of a row; they are numbered in C order without the axis
  uint64_t chunk_bytes = 0;    // decoded
  uint64_t window_cells = 1;   // of a row, those that one window touches at most

  nd::Index chunk_shape;
  nd::Index row_shape;  // of the grid of chunks, along the axis 1
  // Appends the cells that a piece of a window touches, ascending.
  void AppendCells(const Window::Piece& piece, std::vector<uint64_t>& to) const;
};
ChunkGrid GridOf(const zarr::Array& array, const Window& window);

// The chunk in `row` along the axis that is number `cell` of that row. axis may be kNoAxis.
nd::Index ChunkIndex(const nd::Index& grid_shape, size_t axis, uint64_t row, uint64_t cell);

}  // namespace seamount::loader
