#include "zarr/codecs/byte_order.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace seamount::zarr {
namespace {

uint16_t Swapped(uint16_t word) { return __builtin_bswap16(word); }
uint32_t Swapped(uint32_t word) { return __builtin_bswap32(word); }
uint64_t Swapped(uint64_t word) { return __builtin_bswap64(word); }

template <class Word>
void SwapAll(std::span<std::byte> words) {
  for (size_t i = 0; i + sizeof(Word) <= words.size(); i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, words.data() + i, sizeof(Word));
    word = Swapped(word);
    std::memcpy(words.data() + i, &word, sizeof(Word));
  }
}

}  // namespace

size_t WordSizeOf(DataType type) {
  const bool complex = type == DataType::kComplex64 || type == DataType::kComplex128;
  return complex ? SizeOf(type) / 2 : SizeOf(type);
}

void SwapBytes(std::span<std::byte> words, size_t word_size) {
  if (word_size == 2) SwapAll<uint16_t>(words);
  if (word_size == 4) SwapAll<uint32_t>(words);
  if (word_size == 8) SwapAll<uint64_t>(words);
}

}  // namespace seamount::zarr
