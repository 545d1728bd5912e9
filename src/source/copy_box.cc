#include "source/copy_box.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace seamount::source {

uint64_t Elements(const Index& shape) {
  uint64_t n = 1;
  for (const uint64_t extent : shape) n *= extent;
  return n;
}

void CopyBox(Place<const std::byte> from, Place<std::byte> to, const Index& shape, size_t element_bytes) {
  const size_t rank = shape.size();
  if (Elements(shape) == 0) return;
  // Byte strides, and the first dimension from which both arrays are contiguous over the copied extent.
  Index from_stride(rank);
  Index to_stride(rank);
  uint64_t from_step = element_bytes;
  uint64_t to_step = element_bytes;
  for (size_t d = rank; d-- > 0;) {
    from_stride[d] = from_step;
    to_stride[d] = to_step;
    from_step *= from.array_shape[d];
    to_step *= to.array_shape[d];
  }
  uint64_t run = element_bytes;
  size_t outer = rank;
  while (outer > 0) {
    --outer;
    run *= shape[outer];
    if (shape[outer] != from.array_shape[outer] || shape[outer] != to.array_shape[outer]) break;
  }
  const std::byte* source = from.data;
  std::byte* target = to.data;
  for (size_t d = 0; d < rank; ++d) {
    source += from.origin[d] * from_stride[d];
    target += to.origin[d] * to_stride[d];
  }
  Index at(outer, 0);
  for (;;) {
    std::memcpy(target, source, run);
    size_t d = outer;
    while (d > 0) {
      --d;
      source += from_stride[d];
      target += to_stride[d];
      if (++at[d] < shape[d]) break;
      source -= at[d] * from_stride[d];
      target -= at[d] * to_stride[d];
      at[d] = 0;
      if (d == 0) return;
    }
    if (outer == 0) return;
  }
}

bool Overlap(const Box& a, const Box& b, Box* overlap) {
  const size_t rank = a.origin.size();
  overlap->origin.resize(rank);
  overlap->shape.resize(rank);
  for (size_t d = 0; d < rank; ++d) {
    const uint64_t start = std::max(a.origin[d], b.origin[d]);
    const uint64_t end = std::min(a.origin[d] + a.shape[d], b.origin[d] + b.shape[d]);
    if (start >= end) return false;
    overlap->origin[d] = start;
    overlap->shape[d] = end - start;
  }
  return true;
}

namespace {
template <class Word>
void SwapWords(std::span<std::byte> data) {
  for (size_t i = 0; i + sizeof(Word) <= data.size(); i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, data.data() + i, sizeof word);
    if constexpr (sizeof(Word) == 2) word = __builtin_bswap16(word);
    if constexpr (sizeof(Word) == 4) word = __builtin_bswap32(word);
    if constexpr (sizeof(Word) == 8) word = __builtin_bswap64(word);
    std::memcpy(data.data() + i, &word, sizeof word);
  }
}
}  // namespace

void SwapBytes(std::span<std::byte> data, size_t element_bytes) {
  switch (element_bytes) {
    case 2: SwapWords<uint16_t>(data); break;
    case 4: SwapWords<uint32_t>(data); break;
    case 8: SwapWords<uint64_t>(data); break;
    default: break;
  }
}

}  // namespace seamount::source
