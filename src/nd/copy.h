// Copies between arrays in memory that differ in layout: a box out of a chunk into a region, and transposition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nd/box.h"

namespace seamount::nd {

// Bytes from one element to the next along each dimension of a dense C-order array.
std::vector<uint64_t> DenseStrides(std::span<const uint64_t> shape, size_t element_bytes);

// Copies shape's elements between two layouts given by their strides in bytes. Fast for elements of 1, 2, 4, 8 and 16
// bytes.
void CopyStrided(const std::byte* from, std::span<const uint64_t> from_strides, std::byte* into,
                 std::span<const uint64_t> into_strides, std::span<const uint64_t> shape, size_t element_bytes);

// Copies the elements of `part` between two dense buffers that hold the boxes `from_box` and `into_box` around it.
void CopyBox(const Box& part, const Box& from_box, std::span<const std::byte> from, const Box& into_box,
             std::span<std::byte> into, size_t element_bytes);

// Repeats `element` over `into`, whose size is a multiple of it.
void FillElements(std::span<const std::byte> element, std::span<std::byte> into);
// Fills `part` of the dense buffer that holds `into_box`.
void FillBox(const Box& part, std::span<const std::byte> element, const Box& into_box, std::span<std::byte> into);

}  // namespace seamount::nd
