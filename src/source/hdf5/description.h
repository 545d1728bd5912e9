// What is known of an HDF5 file without its data: read once by the process that has libhdf5, sent as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cf/attribute.h"
#include "nd/box.h"
#include "source/dataset.h"
#include "source/hdf5/filters.h"

namespace seamount::source::hdf5 {

enum class Layout : uint8_t { kCompact, kContiguous, kChunked };

inline constexpr uint64_t kNowhere = ~uint64_t{0};  // an address: never written

struct StoredVariable {
  Variable variable;
  nd::Index
      stored_shape;  // what the file holds; smaller than the shape where others grew an unlimited dimension further
  std::string path;  // within the file; differs from the name for "_nc4_non_coord_" variables
  Layout layout = Layout::kContiguous;
  std::vector<Filter> filters;
  bool through_library = false;    // filters that only libhdf5 reads
  bool swap_bytes = false;         // stored in the other byte order
  bool plain_edges = false;        // chunks that reach beyond the shape skip the filters
  std::vector<std::byte> fill;     // one element, native order
  std::vector<std::byte> compact;  // the data, as stored, of Layout::kCompact
  uint64_t address = kNowhere;     // of Layout::kContiguous
};

struct Description {
  std::vector<Dimension> dimensions;
  std::vector<cf::Attribute> attributes;
  std::vector<StoredVariable> variables;
};

std::vector<std::byte> Serialize(const Description& description);
// DataLoss unless the bytes are a description in which every shape has its rank and every size fits in 62 bits. Any
// bytes are safe input.
Result<Description> ParseDescription(std::span<const std::byte> bytes);

// Where one chunk lies in the file.
struct ChunkAddress {
  uint64_t address = kNowhere;
  uint64_t stored_bytes = 0;
  uint64_t mask = 0;  // filters that were skipped
};
std::vector<std::byte> Serialize(const std::vector<ChunkAddress>& chunks);
Result<std::vector<ChunkAddress>> ParseChunkAddresses(std::span<const std::byte> bytes);

}  // namespace seamount::source::hdf5
