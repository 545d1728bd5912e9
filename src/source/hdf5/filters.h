// The filters that NetCDF-4 files use, undone by the calling thread, without libhdf5 and its lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace seamount::source::hdf5 {

enum class FilterKind : uint8_t {
  kDeflate,
  kShuffle,
  kFletcher32,
  kBlosc,
  kLz4,
  kZstd,
  kBzip2,
  kScaleOffset,
  kSzip,
  kOther
};

struct Filter {
  FilterKind kind = FilterKind::kOther;
  size_t element_bytes = 1;            // of kShuffle
  std::string name;                    // as HDF5 or its registry calls it
  std::vector<uint32_t> parameters{};  // of kScaleOffset and kSzip, as HDF5 keeps them
};

// Memory that decoding reuses from chunk to chunk; one per thread.
struct FilterScratch {
  std::vector<std::byte> a;
  std::vector<std::byte> b;
};

// Undoes the filters (given in the order they were applied; a set bit i in `mask` says that filter i was skipped) so
// that exactly `into` is filled. DataLoss when the bytes are damaged or of another size. Any bytes are safe input.
Result<void> Unfilter(std::span<const Filter> filters, uint32_t mask, std::span<const std::byte> stored,
                      std::span<std::byte> into, FilterScratch& scratch);

// HDF5's Fletcher-32 over big-endian 16-bit words.
uint32_t Fletcher32(std::span<const std::byte> data);

}  // namespace seamount::source::hdf5
