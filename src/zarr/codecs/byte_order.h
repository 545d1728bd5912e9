// The byte order of the words that elements are made of (codec "bytes").
#pragma once

#include <cstddef>
#include <span>

#include "zarr/metadata.h"

namespace seamount::zarr {

// The size of what a byte swap swaps: the element, or each part of a complex one.
size_t WordSizeOf(DataType type);

// Reverses the bytes of every word in place; a word of one byte is left alone.
void SwapBytes(std::span<std::byte> words, size_t word_size);

}  // namespace seamount::zarr
