#include "source/hdf5/filters.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "nd/shuffle.h"
#include "zarr/codecs/deflate.h"

namespace seamount::source::hdf5 {
namespace {

constexpr size_t kChecksumBytes = 4;

Error WrongSize(size_t bytes, size_t expected) {
  return base::DataLoss("it has " + std::to_string(bytes) + " bytes instead of " + std::to_string(expected));
}

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
      SEAMOUNT_TRY_ASSIGN(const size_t made, zarr::Inflate(zarr::DeflateFormat::kZlib, now, out));
      if (made != size) return WrongSize(made, size);
    } else if (filters[i].kind == FilterKind::kShuffle) {
      if (now.size() != size) return base::DataLoss("it is not of the size that was shuffled");
      nd::Unshuffle(now.data(), out.data(), size, filters[i].element_bytes);
    } else {
      return base::InvalidArgument("the filter '" + filters[i].name + "' is not known here");
    }
    now = out;
  }
  if (now.size() != into.size()) return WrongSize(now.size(), into.size());
  if (now.data() != into.data()) std::copy(now.begin(), now.end(), into.begin());
  return {};
}

}  // namespace seamount::source::hdf5
