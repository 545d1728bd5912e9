// Arithmetic on a regular grid of chunks over an array.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "zarr/array.h"

namespace seamount::zarr {

// Cells per dimension, the last ones perhaps partly outside the array.
Index GridShape(std::span<const uint64_t> shape, std::span<const uint64_t> cell_shape);

// "c/0/1" as the metadata has chunk keys.
std::string ChunkKey(std::span<const uint64_t> unit, char separator, bool v2_style);

// The cells that a box touches, as a box of cells. None where the box is empty.
Box CellsTouched(const Box& box, std::span<const uint64_t> cell_shape);

// All index vectors of a box, in C order.
std::vector<Index> IndicesOf(const Box& box);

// The cell's box in elements, reaching beyond the array at its edge.
Box CellBox(std::span<const uint64_t> cell, std::span<const uint64_t> cell_shape);

Box Intersection(const Box& a, const Box& b);
bool SameBox(const Box& a, const Box& b);

// Number of elements or cells; the caller knows that it fits.
uint64_t CountOf(std::span<const uint64_t> shape);

// Position in C order.
uint64_t LinearIndex(std::span<const uint64_t> index, std::span<const uint64_t> shape);

// Copies the elements of `part` between two dense buffers that hold the boxes `from_box` and `into_box` around it.
void CopyBox(const Box& part, const Box& from_box, std::span<const std::byte> from, const Box& into_box,
             std::span<std::byte> into, size_t element_size);
// Fills `part` of the buffer that holds `into_box`.
void FillBox(const Box& part, std::span<const std::byte> element, const Box& into_box, std::span<std::byte> into);

}  // namespace seamount::zarr
