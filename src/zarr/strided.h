// Copies between arrays in memory that differ in layout: a box out of a chunk into a region, and transposition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace seamount::zarr {

// Bytes from one element to the next along each dimension of a dense C-order array.
std::vector<uint64_t> DenseStrides(std::span<const uint64_t> shape, size_t element_size);

// Copies shape's elements between two layouts given by their strides in bytes. element_size is 1, 2, 4, 8 or 16.
void CopyStrided(const std::byte* from, std::span<const uint64_t> from_strides, std::byte* into,
                 std::span<const uint64_t> into_strides, std::span<const uint64_t> shape, size_t element_size);

// Repeats `element` over `into`, whose size is a multiple of it.
void FillElements(std::span<const std::byte> element, std::span<std::byte> into);

}  // namespace seamount::zarr
