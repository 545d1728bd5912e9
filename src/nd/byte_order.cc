#include "nd/byte_order.h"

#include <cstdint>
#include <cstring>

namespace seamount::nd {
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

void SwapBytes(std::span<std::byte> words, size_t word_bytes) {
  if (word_bytes == 2) SwapAll<uint16_t>(words);
  if (word_bytes == 4) SwapAll<uint32_t>(words);
  if (word_bytes == 8) SwapAll<uint64_t>(words);
}

}  // namespace seamount::nd
