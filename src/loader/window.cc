#include "loader/window.h"

#include "nd/box.h"

namespace seamount::loader {

Window Window::Whole(const nd::Index& shape, size_t axis) {
  Window window{axis, nd::Index(shape.size(), 0), shape};
  if (axis != kNoAxis) window.extent[axis] = 1;
  return window;
}

nd::Box Window::At(uint64_t position) const {
  nd::Box box{offset, extent};
  if (axis != kNoAxis) box.origin[axis] += position;
  return box;
}

ChunkGrid GridOf(const zarr::Array& array, const Window& window) {
  const nd::Index& chunk_shape = array.metadata().chunk_shape;
  ChunkGrid grid{.chunk_bytes = array.chunk_bytes()};
  nd::Index row_shape = array.grid_shape();
  if (window.axis != kNoAxis) {
    grid.chunk_samples = chunk_shape[window.axis];
    grid.rows = row_shape[window.axis];
    row_shape[window.axis] = 1;
  }
  for (const nd::Index& cell : nd::IndicesOf(nd::CellsTouched(window.At(0), chunk_shape))) {
    grid.cells.push_back(nd::LinearIndex(cell, row_shape));
  }
  return grid;
}

nd::Index ChunkIndex(const nd::Index& grid_shape, size_t axis, uint64_t row, uint64_t cell) {
  nd::Index index(grid_shape.size());
  for (size_t d = index.size(); d-- > 0;) {
    if (d == axis) {
      index[d] = row;
    } else {
      index[d] = cell % grid_shape[d];
      cell /= grid_shape[d];
    }
  }
  return index;
}

}  // namespace seamount::loader
