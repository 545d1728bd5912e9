// Positions and hyper-rectangles, and the arithmetic of a regular grid of cells (chunks, shards) over an array.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace seamount::nd {

using Index = std::vector<uint64_t>;

// In elements (or cells): one entry per dimension in both.
struct Box {
  Index origin;
  Index shape;

  bool operator==(const Box&) const = default;
};

// The box of everything.
Box Whole(std::span<const uint64_t> shape);

// Number of elements, 1 for a scalar; the caller knows that it fits.
uint64_t Elements(std::span<const uint64_t> shape);
bool IsEmpty(const Box& box);

// Position in C order.
uint64_t LinearIndex(std::span<const uint64_t> index, std::span<const uint64_t> shape);

// Empty (a size of 0 in some dimension) where they do not meet.
Box Intersection(const Box& a, const Box& b);
// The same box, counted from another origin (which lies at or before the box's).
Box RelativeTo(const Box& box, std::span<const uint64_t> origin);

// All index vectors of a box, in C order.
std::vector<Index> IndicesOf(const Box& box);

// Cells per dimension, the last ones perhaps partly outside the array.
Index GridShape(std::span<const uint64_t> shape, std::span<const uint64_t> cell_shape);
// The cells that a box touches, as a box of cells. Empty where the box is.
Box CellsTouched(const Box& box, std::span<const uint64_t> cell_shape);
// The cell's box in elements, reaching beyond the array at its edge.
Box CellBox(std::span<const uint64_t> cell, std::span<const uint64_t> cell_shape);

}  // namespace seamount::nd
