#include "source/hdf5/filters.h"

#include <libdeflate.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstring>
#include <memory>

namespace seamount::source::hdf5 {
namespace {

constexpr size_t kChecksumBytes = 4;

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};

Result<void> Inflate(std::span<const std::byte> from, std::span<std::byte> into) {
  thread_local const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(
      libdeflate_alloc_decompressor());
  if (decompressor == nullptr) return base::ResourceExhausted("no memory for a deflate decoder");
  switch (libdeflate_zlib_decompress(decompressor.get(), from.data(), from.size(), into.data(), into.size(), nullptr)) {
    case LIBDEFLATE_SUCCESS: return {};
    case LIBDEFLATE_SHORT_OUTPUT: return base::DataLoss("its deflate stream is shorter than the chunk");
    case LIBDEFLATE_INSUFFICIENT_SPACE: return base::DataLoss("its deflate stream is longer than the chunk");
    default: return base::DataLoss("its deflate stream is damaged");
  }
}

void UnshuffleScalar(const std::byte* from, size_t start, size_t count, size_t size, std::byte* into) {
  for (size_t b = 0; b < size; ++b) {
    const std::byte* plane = from + b * count;
    for (size_t i = start; i < count; ++i) into[i * size + b] = plane[i];
  }
}

#ifdef __SSE2__
constexpr size_t kLanes = 16;

__m128i Plane(const std::byte* from, size_t count, size_t plane, size_t at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + plane * count + at));
}
void Put(std::byte* into, size_t slot, __m128i value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(into) + slot, value);
}

// Each step interleaves planes pairwise: bytes to words, words to double words, double words to quad words.
void Unshuffle2(const std::byte* from, size_t count, size_t at, std::byte* into) {
  const __m128i p0 = Plane(from, count, 0, at);
  const __m128i p1 = Plane(from, count, 1, at);
  Put(into, 0, _mm_unpacklo_epi8(p0, p1));
  Put(into, 1, _mm_unpackhi_epi8(p0, p1));
}

void Unshuffle4(const std::byte* from, size_t count, size_t at, std::byte* into) {
  const __m128i p0 = Plane(from, count, 0, at);
  const __m128i p1 = Plane(from, count, 1, at);
  const __m128i p2 = Plane(from, count, 2, at);
  const __m128i p3 = Plane(from, count, 3, at);
  const __m128i low01 = _mm_unpacklo_epi8(p0, p1);
  const __m128i high01 = _mm_unpackhi_epi8(p0, p1);
  const __m128i low23 = _mm_unpacklo_epi8(p2, p3);
  const __m128i high23 = _mm_unpackhi_epi8(p2, p3);
  Put(into, 0, _mm_unpacklo_epi16(low01, low23));
  Put(into, 1, _mm_unpackhi_epi16(low01, low23));
  Put(into, 2, _mm_unpacklo_epi16(high01, high23));
  Put(into, 3, _mm_unpackhi_epi16(high01, high23));
}

void Unshuffle8(const std::byte* from, size_t count, size_t at, std::byte* into) {
  __m128i words[8];  // pairs of planes interleaved, first eight and last eight elements
  for (size_t p = 0; p < 4; ++p) {
    const __m128i even = Plane(from, count, 2 * p, at);
    const __m128i odd = Plane(from, count, 2 * p + 1, at);
    words[p] = _mm_unpacklo_epi8(even, odd);
    words[4 + p] = _mm_unpackhi_epi8(even, odd);
  }
  for (size_t half = 0; half < 2; ++half) {
    const __m128i* w = words + 4 * half;
    const __m128i low0 = _mm_unpacklo_epi16(w[0], w[1]);
    const __m128i high0 = _mm_unpackhi_epi16(w[0], w[1]);
    const __m128i low1 = _mm_unpacklo_epi16(w[2], w[3]);
    const __m128i high1 = _mm_unpackhi_epi16(w[2], w[3]);
    Put(into, 4 * half + 0, _mm_unpacklo_epi32(low0, low1));
    Put(into, 4 * half + 1, _mm_unpackhi_epi32(low0, low1));
    Put(into, 4 * half + 2, _mm_unpacklo_epi32(high0, high1));
    Put(into, 4 * half + 3, _mm_unpackhi_epi32(high0, high1));
  }
}
#endif

Result<void> CheckFletcher(std::span<const std::byte> stored) {
  const std::span<const std::byte> data = stored.first(stored.size() - kChecksumBytes);
  uint32_t expected = 0;
  for (size_t i = 0; i < kChecksumBytes; ++i) {
    expected |= static_cast<uint32_t>(stored[data.size() + i]) << (8 * i);
  }
  const uint32_t sum = Fletcher32(data);
  // Files by libraries before HDF5 1.6.3 on big-endian machines hold the sum with swapped bytes in each half.
  const uint32_t swapped = (sum & 0x00FF00FF) << 8 | (sum >> 8 & 0x00FF00FF);
  if (expected != sum && expected != swapped) return base::DataLoss("its Fletcher-32 checksum does not match");
  return {};
}

}  // namespace

uint32_t Fletcher32(std::span<const std::byte> data) {
  const auto* at = reinterpret_cast<const uint8_t*>(data.data());
  size_t words = data.size() / 2;
  uint32_t sum1 = 0;
  uint32_t sum2 = 0;
  while (words > 0) {
    size_t block = std::min<size_t>(words, 360);  // the most that cannot overflow 32 bits before a reduction
    words -= block;
    for (; block > 0; --block, at += 2) {
      sum1 += static_cast<uint32_t>(at[0]) << 8 | at[1];
      sum2 += sum1;
    }
    sum1 = (sum1 & 0xFFFF) + (sum1 >> 16);
    sum2 = (sum2 & 0xFFFF) + (sum2 >> 16);
  }
  if (data.size() % 2 != 0) {
    sum1 += static_cast<uint32_t>(*at) << 8;
    sum2 += sum1;
    sum1 = (sum1 & 0xFFFF) + (sum1 >> 16);
    sum2 = (sum2 & 0xFFFF) + (sum2 >> 16);
  }
  sum1 = (sum1 & 0xFFFF) + (sum1 >> 16);
  sum2 = (sum2 & 0xFFFF) + (sum2 >> 16);
  return sum2 << 16 | sum1;
}

void Unshuffle(std::span<const std::byte> from, size_t element_bytes, std::span<std::byte> into) {
  if (element_bytes <= 1 || from.size() < element_bytes) {
    std::copy(from.begin(), from.end(), into.begin());
    return;
  }
  const size_t count = from.size() / element_bytes;
  size_t done = 0;
#ifdef __SSE2__
  const auto run = [&](auto step) {
    for (; done + kLanes <= count; done += kLanes) step(from.data(), count, done, into.data() + done * element_bytes);
  };
  if (element_bytes == 2) run(Unshuffle2);
  if (element_bytes == 4) run(Unshuffle4);
  if (element_bytes == 8) run(Unshuffle8);
#endif
  UnshuffleScalar(from.data(), done, count, element_bytes, into.data());
  const size_t whole = count * element_bytes;
  std::copy(from.begin() + static_cast<std::ptrdiff_t>(whole), from.end(),
            into.begin() + static_cast<std::ptrdiff_t>(whole));
}

Result<void> Unfilter(std::span<const Filter> filters, uint32_t mask, std::span<const std::byte> stored,
                      std::span<std::byte> into, FilterScratch& scratch) {
  const auto applied = [&](size_t i) { return i >= 32 || (mask >> i & 1) == 0; };
  size_t last = filters.size();  // the filter whose undoing writes `into`
  for (size_t i = filters.size(); i-- > 0;) {
    if (applied(i) && filters[i].kind != FilterKind::kFletcher32) last = i;
  }
  std::span<const std::byte> now = stored;
  bool use_a = true;
  for (size_t i = filters.size(); i-- > 0;) {
    if (!applied(i)) continue;
    if (filters[i].kind == FilterKind::kFletcher32) {
      if (now.size() < kChecksumBytes) return base::DataLoss("it is too short for its checksum");
      SEAMOUNT_TRY(CheckFletcher(now));
      now = now.first(now.size() - kChecksumBytes);
      continue;
    }
    // What this filter was given: the chunk and a checksum for each one added before it.
    size_t size = into.size();
    for (size_t j = 0; j < i; ++j) {
      if (applied(j) && filters[j].kind == FilterKind::kFletcher32) size += kChecksumBytes;
    }
    std::span<std::byte> out = into;
    if (i != last || size != into.size()) {
      std::vector<std::byte>& buffer = use_a ? scratch.a : scratch.b;
      use_a = !use_a;
      if (buffer.size() < size) buffer.resize(size);
      out = std::span(buffer).first(size);
    }
    if (filters[i].kind == FilterKind::kDeflate) {
      SEAMOUNT_TRY(Inflate(now, out));
    } else if (filters[i].kind == FilterKind::kShuffle) {
      if (now.size() != size) return base::DataLoss("it is not of the size that was shuffled");
      Unshuffle(now, filters[i].element_bytes, out);
    } else {
      return base::InvalidArgument("the filter '" + filters[i].name + "' is not known here");
    }
    now = out;
  }
  if (now.size() != into.size()) {
    return base::DataLoss("it has " + std::to_string(now.size()) + " bytes instead of " + std::to_string(into.size()));
  }
  if (now.data() != into.data()) std::copy(now.begin(), now.end(), into.begin());
  return {};
}

}  // namespace seamount::source::hdf5
