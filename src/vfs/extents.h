// A set of byte ranges, merged where they touch.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace seamount::vfs {

struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;  // one past the last byte
  uint64_t size() const { return end - begin; }
  bool operator==(const Extent&) const = default;
};

class ExtentSet {
 public:
  void Add(uint64_t begin, uint64_t end);
  // Forgets everything at and beyond `end`.
  void Truncate(uint64_t end);
  void Clear() { ranges_.clear(); }
  bool empty() const { return ranges_.empty(); }
  // The parts of [begin, end) that are not in the set, in order.
  std::vector<Extent> Gaps(uint64_t begin, uint64_t end) const;

 private:
  std::map<uint64_t, uint64_t> ranges_;  // begin → end; disjoint, not touching
};

}  // namespace seamount::vfs
