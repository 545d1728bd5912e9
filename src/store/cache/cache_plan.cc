#include "store/cache/cache_plan.h"

#include <algorithm>

namespace seamount::store {

std::vector<CachePiece> PlanPieces(uint64_t begin, uint64_t end, std::optional<uint64_t> object_bytes) {
  std::vector<CachePiece> pieces;
  for (uint64_t index = begin / kLargeBlockBytes; index * kLargeBlockBytes < end; ++index) {
    const CachePiece large{kLargeBlockBytes, index};
    const uint64_t from = std::max(begin, large.begin());
    const uint64_t to = std::min(end, large.end());
    if (from == large.begin() && to == std::min(large.end(), object_bytes.value_or(UINT64_MAX))) {
      pieces.push_back(large);
      continue;
    }
    for (uint64_t small = from / kSmallBlockBytes; small * kSmallBlockBytes < to; ++small) {
      pieces.push_back({kSmallBlockBytes, small});
    }
  }
  return pieces;
}

}  // namespace seamount::store
