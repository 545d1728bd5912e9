// Byte shuffle: the first bytes of all elements, then all second bytes, and so on. What does not fill an element at the
// end stays as it is.
#pragma once

#include <cstddef>

namespace seamount::nd {

// `from` and `into` do not overlap and hold `size` bytes each. An element of 0 or 1 bytes: a copy.
void Shuffle(const std::byte* from, std::byte* into, size_t size, size_t element_size);
void Unshuffle(const std::byte* from, std::byte* into, size_t size, size_t element_size);

}  // namespace seamount::nd
