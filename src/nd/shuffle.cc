// Elements of 2, 4 and 8 bytes go 16 at a time through SSE2 registers, which every x86-64 has; the rest, and other
// processors, take the plain loops at the end.
#include "nd/shuffle.h"

#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace seamount::nd {
namespace {

constexpr size_t kLanes = 16;  // elements in a step: bytes in a register

#ifdef __SSE2__

__m128i Load(const std::byte* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }
void Store(std::byte* into, __m128i value) { _mm_storeu_si128(reinterpret_cast<__m128i*>(into), value); }

// 16 words of four bytes in x → their four byte planes.
void SplitWords(const __m128i x[4], __m128i planes[4]) {
  const __m128i low_byte = _mm_set1_epi32(0xff);
  for (int p = 0; p < 4; ++p) {
    __m128i bytes[4];
    for (int i = 0; i < 4; ++i) bytes[i] = _mm_and_si128(_mm_srli_epi32(x[i], 8 * p), low_byte);
    planes[p] = _mm_packus_epi16(_mm_packs_epi32(bytes[0], bytes[1]), _mm_packs_epi32(bytes[2], bytes[3]));
  }
}

// The reverse.
void JoinWords(const __m128i planes[4], __m128i x[4]) {
  const __m128i low01 = _mm_unpacklo_epi8(planes[0], planes[1]);
  const __m128i high01 = _mm_unpackhi_epi8(planes[0], planes[1]);
  const __m128i low23 = _mm_unpacklo_epi8(planes[2], planes[3]);
  const __m128i high23 = _mm_unpackhi_epi8(planes[2], planes[3]);
  x[0] = _mm_unpacklo_epi16(low01, low23);
  x[1] = _mm_unpackhi_epi16(low01, low23);
  x[2] = _mm_unpacklo_epi16(high01, high23);
  x[3] = _mm_unpackhi_epi16(high01, high23);
}

// Each handles 16 elements beginning at `from`; planes lie `count` bytes apart.
template <size_t kSize>
void ShuffleStep(const std::byte* from, std::byte* into, size_t count);
template <size_t kSize>
void UnshuffleStep(const std::byte* from, std::byte* into, size_t count);

template <>
void ShuffleStep<2>(const std::byte* from, std::byte* into, size_t count) {
  const __m128i low_byte = _mm_set1_epi16(0xff);
  const __m128i a = Load(from);
  const __m128i b = Load(from + 16);
  Store(into, _mm_packus_epi16(_mm_and_si128(a, low_byte), _mm_and_si128(b, low_byte)));
  Store(into + count, _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8)));
}

template <>
void UnshuffleStep<2>(const std::byte* from, std::byte* into, size_t count) {
  const __m128i low = Load(from);
  const __m128i high = Load(from + count);
  Store(into, _mm_unpacklo_epi8(low, high));
  Store(into + 16, _mm_unpackhi_epi8(low, high));
}

template <>
void ShuffleStep<4>(const std::byte* from, std::byte* into, size_t count) {
  const __m128i x[4] = {Load(from), Load(from + 16), Load(from + 32), Load(from + 48)};
  __m128i planes[4];
  SplitWords(x, planes);
  for (size_t p = 0; p < 4; ++p) Store(into + p * count, planes[p]);
}

template <>
void UnshuffleStep<4>(const std::byte* from, std::byte* into, size_t count) {
  const __m128i planes[4] = {Load(from), Load(from + count), Load(from + 2 * count), Load(from + 3 * count)};
  __m128i x[4];
  JoinWords(planes, x);
  for (size_t i = 0; i < 4; ++i) Store(into + 16 * i, x[i]);
}

template <>
void ShuffleStep<8>(const std::byte* from, std::byte* into, size_t count) {
  __m128i low[4];
  __m128i high[4];
  for (size_t i = 0; i < 4; ++i) {
    const __m128 a = _mm_castsi128_ps(Load(from + 32 * i));
    const __m128 b = _mm_castsi128_ps(Load(from + 32 * i + 16));
    low[i] = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
    high[i] = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
  }
  __m128i planes[8];
  SplitWords(low, planes);
  SplitWords(high, planes + 4);
  for (size_t p = 0; p < 8; ++p) Store(into + p * count, planes[p]);
}

template <>
void UnshuffleStep<8>(const std::byte* from, std::byte* into, size_t count) {
  __m128i planes[8];
  for (size_t p = 0; p < 8; ++p) planes[p] = Load(from + p * count);
  __m128i low[4];
  __m128i high[4];
  JoinWords(planes, low);
  JoinWords(planes + 4, high);
  for (size_t i = 0; i < 4; ++i) {
    Store(into + 32 * i, _mm_unpacklo_epi32(low[i], high[i]));
    Store(into + 32 * i + 16, _mm_unpackhi_epi32(low[i], high[i]));
  }
}

template <size_t kSize>
size_t ShuffleVectors(const std::byte* from, std::byte* into, size_t count) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) ShuffleStep<kSize>(from + i * kSize, into + i, count);
  return i;
}

template <size_t kSize>
size_t UnshuffleVectors(const std::byte* from, std::byte* into, size_t count) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) UnshuffleStep<kSize>(from + i, into + i * kSize, count);
  return i;
}

// How many elements were done.
size_t ShuffleFast(const std::byte* from, std::byte* into, size_t count, size_t element_size) {
  if (element_size == 2) return ShuffleVectors<2>(from, into, count);
  if (element_size == 4) return ShuffleVectors<4>(from, into, count);
  if (element_size == 8) return ShuffleVectors<8>(from, into, count);
  return 0;
}

size_t UnshuffleFast(const std::byte* from, std::byte* into, size_t count, size_t element_size) {
  if (element_size == 2) return UnshuffleVectors<2>(from, into, count);
  if (element_size == 4) return UnshuffleVectors<4>(from, into, count);
  if (element_size == 8) return UnshuffleVectors<8>(from, into, count);
  return 0;
}

#else

size_t ShuffleFast(const std::byte*, std::byte*, size_t, size_t) { return 0; }
size_t UnshuffleFast(const std::byte*, std::byte*, size_t, size_t) { return 0; }

#endif

}  // namespace

void Shuffle(const std::byte* from, std::byte* into, size_t size, size_t element_size) {
  if (element_size == 0) element_size = 1;
  const size_t count = size / element_size;
  for (size_t i = ShuffleFast(from, into, count, element_size); i < count; ++i) {
    for (size_t p = 0; p < element_size; ++p) into[p * count + i] = from[i * element_size + p];
  }
  const size_t rest = count * element_size;
  if (size > rest) std::memcpy(into + rest, from + rest, size - rest);
}

void Unshuffle(const std::byte* from, std::byte* into, size_t size, size_t element_size) {
  if (element_size == 0) element_size = 1;
  const size_t count = size / element_size;
  for (size_t i = UnshuffleFast(from, into, count, element_size); i < count; ++i) {
    for (size_t p = 0; p < element_size; ++p) into[i * element_size + p] = from[p * count + i];
  }
  const size_t rest = count * element_size;
  if (size > rest) std::memcpy(into + rest, from + rest, size - rest);
}

}  // namespace seamount::nd
