// The byte order of the words that elements are made of.
#pragma once

#include <cstddef>
#include <span>

namespace seamount::nd {

// Reverses the bytes of every word in place; words of other sizes than 2, 4 and 8 are left alone.
void SwapBytes(std::span<std::byte> words, size_t word_bytes);

}  // namespace seamount::nd
