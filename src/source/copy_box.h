// Copying hyper-rectangles between dense C-order arrays.
#pragma once

#include <cstddef>
#include <span>

#include "source/dataset.h"

namespace seamount::source {

uint64_t Elements(const Index& shape);  // 1 for a scalar

// A place in a dense C-order array.
template <class Byte>
struct Place {
  Byte* data;
  const Index& array_shape;
  const Index& origin;
};

// Copies `shape` elements from one place to another; runs that are contiguous in both are moved at once.
void CopyBox(Place<const std::byte> from, Place<std::byte> to, const Index& shape, size_t element_bytes);

// The overlap of [a, a+na) and [b, b+nb); false when there is none.
bool Overlap(const Box& a, const Box& b, Box* overlap);

// Reverses the bytes of every element in place.
void SwapBytes(std::span<std::byte> data, size_t element_bytes);

}  // namespace seamount::source
