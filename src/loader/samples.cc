#include "loader/samples.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/text.h"

namespace seamount::loader {
namespace {

std::string Text(const Interval& interval) {
  return std::to_string(interval.begin) + ".." + std::to_string(interval.end);
}

}  // namespace

SampleSet::SampleSet(std::vector<SampleRange> ranges) : ranges_(std::move(ranges)) {
  uint64_t total = 0;
  for (const SampleRange& range : ranges_) starts_.push_back(total += range.count);
}

uint64_t SampleSet::PositionOf(uint64_t number) const {
  if (ranges_.size() == 1) return ranges_.front().first + number;
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), number);
  const SampleRange& range = ranges_[static_cast<size_t>(after - starts_.begin())];
  return range.first + number - (*after - range.count);
}

SampleSet SampleSet::Within(const std::vector<Interval>& where) const {
  std::vector<Interval> ranges;
  for (const SampleRange& range : ranges_) ranges.push_back({range.first, range.first + range.count});
  std::vector<SampleRange> inside;
  for (const auto& [begin, end] : Intersection(ranges, where)) inside.push_back({begin, end - begin});
  std::string places;
  for (const auto& [begin, end] : where) places += std::to_string(begin) + ".." + std::to_string(end) + ",";
  SampleSet set(std::move(inside));
  set.text_ = Text() + " where " + std::to_string(base::Crc32c(std::as_bytes(std::span(places))));
  return set;
}

std::string SampleSet::Text() const {
  if (!text_.empty()) return text_;
  std::vector<std::string> parts;
  for (const SampleRange& range : ranges_) {
    parts.push_back(std::to_string(range.first) + "+" + std::to_string(range.count));
  }
  return base::Join(parts, ",");
}

std::vector<Interval> Intersection(const std::vector<Interval>& a, const std::vector<Interval>& b) {
  std::vector<Interval> both;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const Interval common{std::max(a[i].begin, b[j].begin), std::min(a[i].end, b[j].end)};
    if (common.begin < common.end) both.push_back(common);
    if (a[i].end < b[j].end) {
      ++i;
    } else {
      ++j;
    }
  }
  return both;
}

Result<SampleRange> SamplesInside(uint64_t begin, uint64_t end, std::span<const int64_t> leads) {
  int64_t earliest = 0;
  int64_t latest = 0;
  if (!leads.empty()) {
    earliest = *std::min_element(leads.begin(), leads.end());
    latest = *std::max_element(leads.begin(), leads.end());
  }
  // A lead beyond 2^62 either way is nonsense; refusing it here keeps the sums below from overflowing.
  constexpr int64_t kFar = int64_t{1} << 62;
  if (earliest < -kFar || latest > kFar || end > static_cast<uint64_t>(kFar)) {
    return base::InvalidArgument("leads from " + std::to_string(earliest) + " to " + std::to_string(latest) +
                                 ": too far from the sample");
  }
  // Sample s is inside when begin <= s + earliest and s + latest < end; s itself need not lie inside the range, but is
  // never negative.
  const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(begin) - earliest);
  const int64_t past = static_cast<int64_t>(end) - latest;
  if (past <= first) {
    return base::InvalidArgument("no sample fits: leads " + std::to_string(earliest) + ".." + std::to_string(latest) +
                                 " need " + std::to_string(latest - earliest + 1) +
                                 " consecutive positions inside the selected range " + std::to_string(begin) + ".." +
                                 std::to_string(end) + ", which has " + std::to_string(end > begin ? end - begin : 0));
  }
  return SampleRange{static_cast<uint64_t>(first), static_cast<uint64_t>(past - first)};
}

Result<SampleSet> SamplesWithin(std::vector<Interval> selected, const std::vector<Interval>& segments,
                                std::span<const int64_t> leads) {
  std::sort(selected.begin(), selected.end(),
            [](const Interval& a, const Interval& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  for (size_t i = 1; i < selected.size(); ++i) {
    if (selected[i].begin >= selected[i - 1].end) continue;
    return base::InvalidArgument("the selected ranges " + Text(selected[i - 1]) + " and " + Text(selected[i]) +
                                 " overlap: each sample counts once in an epoch");
  }
  std::vector<SampleRange> ranges;
  uint64_t longest = 0;  // between gaps
  std::optional<Error> why;
  for (const Interval& range : selected) {
    for (const Interval& segment : segments) {
      const uint64_t begin = std::max(range.begin, segment.begin);
      const uint64_t end = std::min(range.end, segment.end);
      if (begin >= end && !(segments.size() == 1 && selected.size() == 1)) continue;
      longest = std::max(longest, end - begin);
      auto samples = SamplesInside(begin, end, leads);
      if (samples) {
        ranges.push_back(*samples);
      } else if (!why) {
        why = samples.error();
      }
    }
  }
  if (!ranges.empty()) return SampleSet(std::move(ranges));
  if (segments.size() == 1 && selected.size() == 1) return *why;
  if (!why) return base::InvalidArgument("no sample fits: the selected ranges are empty");
  if (segments.size() == 1) return *why;
  return base::InvalidArgument("no sample fits between the gaps of the data (seamount prepare recorded " +
                               std::to_string(segments.size() - 1) + "): the longest stretch without one has " +
                               std::to_string(longest) + " positions inside what is selected; " +
                               std::string(why->message()) + ". across_gaps=True lets windows reach across");
}

}  // namespace seamount::loader
