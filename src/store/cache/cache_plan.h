// Which blocks a read touches, as a pure function.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "store/cache/block_file.h"

namespace seamount::store {

// One block that a read needs something of.
struct CachePiece {
  uint32_t block_bytes = kLargeBlockBytes;
  uint64_t index = 0;

  uint64_t begin() const { return index * block_bytes; }
  uint64_t end() const { return begin() + block_bytes; }
  bool operator==(const CachePiece&) const = default;
};

// The blocks that cover [begin, end), which is not empty, in order and without overlap: a large block where all of it
// is asked for (of what the object has of it, where its size is known), else the small ones.
std::vector<CachePiece> PlanPieces(uint64_t begin, uint64_t end, std::optional<uint64_t> object_bytes);

}  // namespace seamount::store
