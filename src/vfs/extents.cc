#include "vfs/extents.h"

#include <algorithm>
#include <iterator>

namespace seamount::vfs {

void ExtentSet::Add(uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  auto it = ranges_.upper_bound(begin);
  if (it != ranges_.begin() && std::prev(it)->second >= begin) --it;
  while (it != ranges_.end() && it->first <= end) {
    begin = std::min(begin, it->first);
    end = std::max(end, it->second);
    it = ranges_.erase(it);
  }
  ranges_.emplace(begin, end);
}

void ExtentSet::Truncate(uint64_t end) {
  ranges_.erase(ranges_.lower_bound(end), ranges_.end());
  if (!ranges_.empty()) {
    auto& last = std::prev(ranges_.end())->second;
    last = std::min(last, end);
  }
}

std::vector<Extent> ExtentSet::Gaps(uint64_t begin, uint64_t end) const {
  std::vector<Extent> gaps;
  auto it = ranges_.upper_bound(begin);
  if (it != ranges_.begin()) begin = std::max(begin, std::prev(it)->second);
  for (; begin < end && it != ranges_.end() && it->first < end; ++it) {
    if (it->first > begin) gaps.push_back({begin, it->first});
    begin = it->second;
  }
  if (begin < end) gaps.push_back({begin, end});
  return gaps;
}

}  // namespace seamount::vfs
