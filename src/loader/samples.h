// The samples that a loader may hand out: positions along the sample dimension whose windows lie inside what was
// selected, and inside one segment of the data (a stretch without a gap).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace seamount::loader {

// Positions first, first + 1, …
struct SampleRange {
  uint64_t first = 0;
  uint64_t count = 0;
  bool operator==(const SampleRange&) const = default;
};

// Half-open, along the sample dimension.
struct Interval {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool operator==(const Interval&) const = default;
};

// Samples are numbered from 0 in the order of their positions.
class SampleSet {
 public:
  SampleSet() = default;
  // Ascending, apart from each other, none empty.
  explicit SampleSet(std::vector<SampleRange> ranges);
  uint64_t count() const { return starts_.empty() ? 0 : starts_.back(); }
  const std::vector<SampleRange>& ranges() const { return ranges_; }
  uint64_t PositionOf(uint64_t number) const;
  // Those at positions in `where` (ascending, none overlapping).
  SampleSet Within(const std::vector<Interval>& where) const;
  // "5+10", or "5+10,40+3": first position and count of each range; of those before Within, and then " where " and a
  // checksum of that, as it may be tens of thousands.
  std::string Text() const;

 private:
  std::vector<SampleRange> ranges_;
  std::vector<uint64_t> starts_;  // the number after each range's last
  std::string text_;              // where it does not follow from the ranges
};

// What lies in both. Both ascending, none overlapping.
std::vector<Interval> Intersection(const std::vector<Interval>& a, const std::vector<Interval>& b);

// The positions for which every lead lies inside [begin, end). InvalidArgument when there is none: it says how long the
// window is and how long the range.
Result<SampleRange> SamplesInside(uint64_t begin, uint64_t end, std::span<const int64_t> leads);

// The samples whose windows lie inside one of `selected` and one of `segments` (ascending, none overlapping).
// InvalidArgument when there is none, or when two of `selected` overlap.
Result<SampleSet> SamplesWithin(std::vector<Interval> selected, const std::vector<Interval>& segments,
                                std::span<const int64_t> leads);

}  // namespace seamount::loader
