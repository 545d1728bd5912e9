#include "zarr/chunk_grid.h"

#include <algorithm>

#include "zarr/strided.h"

namespace seamount::zarr {
namespace {

// Offset in bytes of part's origin within a dense buffer that holds `box`.
uint64_t OffsetOf(const Box& part, const Box& box, std::span<const uint64_t> strides) {
  uint64_t offset = 0;
  for (size_t d = 0; d < strides.size(); ++d) offset += (part.origin[d] - box.origin[d]) * strides[d];
  return offset;
}

bool IsEmpty(const Box& box) { return std::find(box.shape.begin(), box.shape.end(), 0) != box.shape.end(); }

}  // namespace

Index GridShape(std::span<const uint64_t> shape, std::span<const uint64_t> cell_shape) {
  Index grid(shape.size());
  for (size_t d = 0; d < shape.size(); ++d) grid[d] = shape[d] / cell_shape[d] + (shape[d] % cell_shape[d] != 0);
  return grid;
}

std::string ChunkKey(std::span<const uint64_t> unit, char separator, bool v2_style) {
  std::string key = v2_style ? "" : "c";
  if (v2_style && unit.empty()) return "0";
  for (const uint64_t position : unit) {
    if (!key.empty()) key += separator;
    key += std::to_string(position);
  }
  return key;
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

Box CellBox(std::span<const uint64_t> cell, std::span<const uint64_t> cell_shape) {
  Box box{Index(cell.size()), Index(cell_shape.begin(), cell_shape.end())};
  for (size_t d = 0; d < cell.size(); ++d) box.origin[d] = cell[d] * cell_shape[d];
  return box;
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

bool SameBox(const Box& a, const Box& b) { return a.origin == b.origin && a.shape == b.shape; }

uint64_t CountOf(std::span<const uint64_t> shape) {
  uint64_t count = 1;
  for (const uint64_t size : shape) count *= size;
  return count;
}

uint64_t LinearIndex(std::span<const uint64_t> index, std::span<const uint64_t> shape) {
  uint64_t linear = 0;
  for (size_t d = 0; d < index.size(); ++d) linear = linear * shape[d] + index[d];
  return linear;
}

void CopyBox(const Box& part, const Box& from_box, std::span<const std::byte> from, const Box& into_box,
             std::span<std::byte> into, size_t element_size) {
  if (IsEmpty(part)) return;
  const auto from_strides = DenseStrides(from_box.shape, element_size);
  const auto into_strides = DenseStrides(into_box.shape, element_size);
  CopyStrided(from.data() + OffsetOf(part, from_box, from_strides), from_strides,
              into.data() + OffsetOf(part, into_box, into_strides), into_strides, part.shape, element_size);
}

void FillBox(const Box& part, std::span<const std::byte> element, const Box& into_box, std::span<std::byte> into) {
  if (IsEmpty(part)) return;
  const auto strides = DenseStrides(into_box.shape, element.size());
  const std::vector<uint64_t> same_element(part.shape.size(), 0);
  CopyStrided(element.data(), same_element, into.data() + OffsetOf(part, into_box, strides), strides, part.shape,
              element.size());
}

}  // namespace seamount::zarr
