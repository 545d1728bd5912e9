#include "store/cache/cache_plan.h"

#include <algorithm>

namespace seamount::store {

std::vector<PlannedSpan> PlanBlock(std::span<const ByteSpan> parts, ByteSpan wanted) {
  std::vector<PlannedSpan> plan;
  auto part = std::find_if(parts.begin(), parts.end(), [&](const ByteSpan& p) { return p.end > wanted.begin; });
  uint64_t at = wanted.begin;
  const bool gap_first = part == parts.end() || part->begin > at;
  if (gap_first && part != parts.begin() && std::prev(part)->end > at / kJoinedBytes * kJoinedBytes) {
    at = std::prev(part)->end;
  }
  while (at < wanted.end) {
    const uint64_t next = part == parts.end() ? UINT64_MAX : part->begin;
    if (next <= at) {
      plan.push_back({{at, std::min(part->end, wanted.end)}, true});
      at = (part++)->end;
      continue;
    }
    const uint64_t joined_end = (wanted.end + kJoinedBytes - 1) / kJoinedBytes * kJoinedBytes;
    const uint64_t end = next < std::max(wanted.end, joined_end) ? next : wanted.end;
    plan.push_back({{at, end}, false});
    at = end;
  }
  return plan;
}

std::vector<ByteSpan> Normalized(std::vector<ByteSpan> parts) {
  std::sort(parts.begin(), parts.end(), [](const ByteSpan& a, const ByteSpan& b) { return a.begin < b.begin; });
  std::vector<ByteSpan> normal;
  for (const ByteSpan& part : parts) {
    if (part.size() == 0) continue;
    if (!normal.empty() && part.begin <= normal.back().end) {
      normal.back().end = std::max(normal.back().end, part.end);
    } else {
      normal.push_back(part);
    }
  }
  return normal;
}

}  // namespace seamount::store
