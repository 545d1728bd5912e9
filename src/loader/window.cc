#include "loader/window.h"

#include <algorithm>
#include <utility>

#include "nd/box.h"

namespace seamount::loader {

Window Window::Whole(const nd::Index& shape, size_t axis) {
  Window window{axis, shape, {}};
  if (axis != kNoAxis) window.extent[axis] = 1;
  return window;
}

nd::Index Window::FieldShape() const {
  nd::Index shape;
  for (size_t d = 0; d < extent.size(); ++d) {
    if (d != axis) shape.push_back(extent[d]);
  }
  return shape;
}

std::vector<Window::Piece> Window::At(uint64_t position, std::span<const uint64_t> place) const {
  std::vector<Piece> pieces = {{{nd::Index(extent.size(), 0), extent}, nd::Index(extent.size(), 0)}};
  if (axis != kNoAxis) pieces.front().box.origin[axis] += position;
  for (const Crop& crop : crops) {
    const uint64_t begin = place[crop.patch_dim] * crop.scale;
    const uint64_t before_end = std::min(crop.length - begin, extent[crop.dim]);
    const size_t before = pieces.size();
    for (size_t i = 0; i < before; ++i) {
      if (before_end < extent[crop.dim]) {
        Piece rest = pieces[i];
        rest.box.shape[crop.dim] = extent[crop.dim] - before_end;
        rest.within[crop.dim] = before_end;
        pieces.push_back(std::move(rest));
      }
      pieces[i].box.origin[crop.dim] = begin;
      pieces[i].box.shape[crop.dim] = before_end;
    }
  }
  return pieces;
}

void ChunkGrid::AppendCells(const Window::Piece& piece, std::vector<uint64_t>& to) const {
  const nd::Box touched = nd::CellsTouched(piece.box, chunk_shape);
  nd::Index cell = touched.origin;
  // An odometer over the box; along the axis there is one.
  for (bool more = true; more;) {
    uint64_t number = 0;
    for (size_t d = 0; d < cell.size(); ++d) number = number * row_shape[d] + (row_shape[d] == 1 ? 0 : cell[d]);
    to.push_back(number);
    more = false;
    for (size_t d = cell.size(); d-- > 0 && !more;) {
      more = row_shape[d] > 1 && ++cell[d] < touched.origin[d] + touched.shape[d];
      if (!more) cell[d] = touched.origin[d];
    }
  }
}

ChunkGrid GridOf(const zarr::Array& array, const Window& window) {
  ChunkGrid grid{
      .chunk_bytes = array.chunk_bytes(), .chunk_shape = array.metadata().chunk_shape, .row_shape = array.grid_shape()};
  if (window.axis != kNoAxis) {
    grid.chunk_samples = grid.chunk_shape[window.axis];
    grid.rows = std::exchange(grid.row_shape[window.axis], 1);
  }
  grid.cells = nd::Elements(grid.row_shape);
  grid.window_cells = grid.cells;
  for (const Window::Crop& crop : window.crops) {
    const uint64_t all = grid.row_shape[crop.dim];
    // One more at either end than it fills, and one where it goes on at the beginning.
    const uint64_t most = (window.extent[crop.dim] + grid.chunk_shape[crop.dim] - 2) / grid.chunk_shape[crop.dim] + 2;
    grid.window_cells = grid.window_cells / all * std::min(all, most);
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
