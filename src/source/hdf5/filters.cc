#include "source/hdf5/filters.h"

#include <bzlib.h>
#include <lz4.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "nd/shuffle.h"
#include "source/hdf5/scale_offset.h"
#include "source/hdf5/szip.h"
#include "zarr/codecs/blosc_frame.h"
#include "zarr/codecs/deflate.h"
#include "zarr/codecs/zstd.h"

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

uint64_t BigEndian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<uint64_t>(byte);
  return value;
}

// The registered filter's framing: the decoded size in eight bytes, that of a block in four; before each block, in four
// bytes, its stored size. A block that would not shrink is stored as it is.
Result<size_t> DecodeLz4(std::span<const std::byte> from, std::span<std::byte> into) {
  constexpr size_t kHeader = 12;
  constexpr size_t kMaxBlock = 0x7e000000;  // LZ4's own
  if (from.size() < kHeader) return base::DataLoss("it is too short for LZ4");
  const uint64_t total = BigEndian(from.first(8));
  const uint64_t block_bytes = BigEndian(from.subspan(8, 4));
  if (total > into.size() || block_bytes == 0 || block_bytes > kMaxBlock)
    return base::DataLoss("its LZ4 sizes are off");
  from = from.subspan(kHeader);
  for (uint64_t done = 0; done < total;) {
    const uint64_t size = std::min(block_bytes, total - done);
    if (from.size() < 4) return base::DataLoss("its LZ4 blocks end early");
    const uint64_t stored = BigEndian(from.first(4));
    from = from.subspan(4);
    if (stored > from.size()) return base::DataLoss("its LZ4 blocks end early");
    if (stored == size) {
      std::memcpy(into.data() + done, from.data(), size);
    } else if (LZ4_decompress_safe(reinterpret_cast<const char*>(from.data()),
                                   reinterpret_cast<char*>(into.data()) + done, static_cast<int>(stored),
                                   static_cast<int>(size)) != static_cast<int>(size)) {
      return base::DataLoss("an LZ4 block of it is damaged");
    }
    from = from.subspan(stored);
    done += size;
  }
  return total;
}

Result<size_t> DecodeBzip2(std::span<const std::byte> from, std::span<std::byte> into) {
  constexpr size_t kMost = std::numeric_limits<unsigned>::max();  // libbz2 counts in 32 bits
  if (from.size() > kMost || into.size() > kMost) return base::DataLoss("it is too long for bzip2");
  auto made = static_cast<unsigned>(into.size());
  const int result = BZ2_bzBuffToBuffDecompress(reinterpret_cast<char*>(into.data()), &made,
                                                const_cast<char*>(reinterpret_cast<const char*>(from.data())),
                                                static_cast<unsigned>(from.size()), /*small=*/0, /*verbosity=*/0);
  if (result == BZ_MEM_ERROR) return base::ResourceExhausted("no memory for a bzip2 decoder");
  if (result != BZ_OK) return base::DataLoss("its bzip2 stream is damaged");
  return size_t{made};
}

// Into the beginning of `out`; how much that is.
Result<size_t> Undo(const Filter& filter, std::span<const std::byte> from, std::span<std::byte> out) {
  switch (filter.kind) {
    case FilterKind::kShuffle:
      if (from.size() > out.size()) return base::DataLoss("it is not of the size that was shuffled");
      nd::Unshuffle(from.data(), out.data(), from.size(), filter.element_bytes);
      return from.size();
    case FilterKind::kDeflate: return zarr::Inflate(zarr::DeflateFormat::kZlib, from, out);
    case FilterKind::kZstd: return zarr::ZstdDecompress(from, out);
    case FilterKind::kBlosc: return zarr::DecodeBloscFrame(from, out);
    case FilterKind::kLz4: return DecodeLz4(from, out);
    case FilterKind::kBzip2: return DecodeBzip2(from, out);
    case FilterKind::kSzip: return UndoSzip(filter.parameters, from, out);
    case FilterKind::kScaleOffset: {
      SEAMOUNT_TRY(UndoScaleOffset(filter.parameters, from, out));
      return out.size();
    }
    case FilterKind::kFletcher32:
    case FilterKind::kOther: break;
  }
  return base::InvalidArgument("the filter '" + filter.name + "' is not known here");
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
    // What this filter was given: the chunk and a checksum for each one added before it; what came out of scale-offset
    // is at most a little longer.
    size_t size = into.size();
    bool exact = true;
    for (size_t j = 0; j < i; ++j) {
      if (applied(j) && filters[j].kind == FilterKind::kFletcher32) size += kChecksumBytes;
      if (!applied(j) || filters[j].kind != FilterKind::kScaleOffset) continue;
      size += kScaleOffsetHeader + 1;
      exact = false;
    }
    std::span<std::byte> out = into;
    if (i != last || size != into.size()) {
      std::vector<std::byte>& buffer = use_a ? scratch.a : scratch.b;
      use_a = !use_a;
      if (buffer.size() < size) buffer.resize(size);
      out = std::span(buffer).first(size);
    }
    SEAMOUNT_TRY_ASSIGN(const size_t made, Undo(filters[i], now, out));
    if (exact && made != out.size()) return WrongSize(made, out.size());
    now = out.first(made);
  }
  if (now.size() != into.size()) return WrongSize(now.size(), into.size());
  if (now.data() != into.data()) std::copy(now.begin(), now.end(), into.begin());
  return {};
}

}  // namespace seamount::source::hdf5
