#include "nd/box.h"

#include <algorithm>

namespace seamount::nd {

Box Whole(std::span<const uint64_t> shape) { return {Index(shape.size(), 0), Index(shape.begin(), shape.end())}; }

uint64_t Elements(std::span<const uint64_t> shape) {
  uint64_t count = 1;
  for (const uint64_t size : shape) count *= size;
  return count;
}

bool IsEmpty(const Box& box) { return std::find(box.shape.begin(), box.shape.end(), 0) != box.shape.end(); }

uint64_t LinearIndex(std::span<const uint64_t> index, std::span<const uint64_t> shape) {
  uint64_t linear = 0;
  for (size_t d = 0; d < index.size(); ++d) linear = linear * shape[d] + index[d];
  return linear;
}

Box Intersection(const Box& a, const Box& b) {
  Box both{Index(a.origin.size()), Index(a.origin.size())};
  for (size_t d = 0; d < a.origin.size(); ++d) {
    both.origin[d] = std::max(a.origin[d], b.origin[d]);
    const uint64_t end = std::min(a.origin[d] + a.shape[d], b.origin[d] + b.shape[d]);
    both.shape[d] = end > both.origin[d] ? end - both.origin[d] : 0;
  }
  return both;
}

Box RelativeTo(const Box& box, std::span<const uint64_t> origin) {
  Box relative = box;
  for (size_t d = 0; d < origin.size(); ++d) relative.origin[d] -= origin[d];
  return relative;
}

std::vector<Index> IndicesOf(const Box& box) {
  std::vector<Index> indices;
  if (IsEmpty(box)) return indices;
  Index index = box.origin;
  for (;;) {
    indices.push_back(index);
    size_t d = index.size();
    for (; d > 0; --d) {
      if (++index[d - 1] < box.origin[d - 1] + box.shape[d - 1]) break;
      index[d - 1] = box.origin[d - 1];
    }
    if (d == 0) return indices;
  }
}

Index GridShape(std::span<const uint64_t> shape, std::span<const uint64_t> cell_shape) {
  Index grid(shape.size());
  for (size_t d = 0; d < shape.size(); ++d) grid[d] = shape[d] / cell_shape[d] + (shape[d] % cell_shape[d] != 0);
  return grid;
}

Box CellsTouched(const Box& box, std::span<const uint64_t> cell_shape) {
  Box cells{Index(box.shape.size()), Index(box.shape.size())};
  for (size_t d = 0; d < box.shape.size(); ++d) {
    if (box.shape[d] == 0) continue;
    const uint64_t last = (box.origin[d] + box.shape[d] - 1) / cell_shape[d];
    cells.origin[d] = box.origin[d] / cell_shape[d];
    cells.shape[d] = last - cells.origin[d] + 1;
  }
  return cells;
}

Box CellBox(std::span<const uint64_t> cell, std::span<const uint64_t> cell_shape) {
  Box box{Index(cell.size()), Index(cell_shape.begin(), cell_shape.end())};
  for (size_t d = 0; d < cell.size(); ++d) box.origin[d] = cell[d] * cell_shape[d];
  return box;
}

}  // namespace seamount::nd
