#include "loader/time_axis.h"

#include <algorithm>
#include <limits>

#include "cf/attribute.h"
#include "cf/decode.h"
#include "loader/transform.h"
#include "loader/variable.h"
#include "nd/box.h"
#include "nd/data_type.h"

namespace seamount::loader {
namespace {

Result<std::vector<double>> ReadNumbers(zarr::Array& array, const CallContext& context) {
  const zarr::ArrayMetadata& metadata = array.metadata();
  SEAMOUNT_TRY_ASSIGN(const cf::Packing packing, PackingOf(metadata));
  const uint64_t count = metadata.shape.front();
  if (count > std::numeric_limits<uint32_t>::max()) return base::InvalidArgument("it is too long for a coordinate");
  Buffer stored(count * nd::SizeOf(metadata.data_type));
  SEAMOUNT_TRY(array.ReadRegion(nd::Whole(metadata.shape), stored.span(), nullptr, context));
  std::vector<double> numbers(count);
  cf::Decode(stored.span(), packing, numbers);
  return numbers;
}

}  // namespace

Result<TimeAxis> TimeAxis::Open(const Group& group, const std::string& dimension, const CallContext& context) {
  const std::string who = "the coordinate '" + dimension + "'";
  SEAMOUNT_TRY_ASSIGN(const auto array, group.OpenArray(dimension, MissingChunks::kByRecord, context));
  const zarr::ArrayMetadata& metadata = array->metadata();
  if (metadata.shape.size() != 1 || !IsReal(metadata.data_type)) {
    return base::InvalidArgument(who + " is no list of numbers along its dimension");
  }
  SEAMOUNT_TRY_ASSIGN(const auto attributes, cf::AttributesFromJson(metadata.attributes_json));
  const auto units = cf::TextOf(attributes, "units");
  if (!units) return base::InvalidArgument(who + " has no attribute units: expected 'UNIT since DATE'");
  auto parsed = cf::TimeUnits::Parse(*units, cf::TextOf(attributes, "calendar").value_or(""));
  if (!parsed) return parsed.error().Wrap(who);
  auto numbers = ReadNumbers(*array, context);
  if (!numbers) return numbers.error().Wrap(who);
  TimeAxis axis;
  axis.dimension_ = dimension;
  axis.calendar_ = parsed->calendar();
  auto moments = parsed->ToMoments(*numbers);
  if (!moments) return moments.error().Wrap(who);
  axis.moments_ = *std::move(moments);
  return axis;
}

Result<Interval> TimeAxis::Find(const std::string& from, const std::string& to) const {
  SEAMOUNT_TRY_ASSIGN(const cf::ParsedDate first, cf::ParseDate(calendar_, from));
  SEAMOUNT_TRY_ASSIGN(const cf::ParsedDate last, cf::ParseDate(calendar_, to));
  if (!std::is_sorted(moments_.begin(), moments_.end())) {
    return base::InvalidArgument("'" + dimension_ + "' does not ascend: select by positions instead of dates");
  }
  const auto begin = std::lower_bound(moments_.begin(), moments_.end(), cf::MomentOf(calendar_, first.date));
  const auto end = std::lower_bound(moments_.begin(), moments_.end(), last.end);
  if (begin < end) {
    return Interval{static_cast<uint64_t>(begin - moments_.begin()), static_cast<uint64_t>(end - moments_.begin())};
  }
  return base::InvalidArgument(
      "no position of '" + dimension_ + "' lies in " + from + " to " + to +
      (moments_.empty() ? ": it is empty" : ": it goes from " + TextOf(0) + " to " + TextOf(size() - 1)));
}

Result<int64_t> TimeAxis::Step(const std::vector<Interval>& segments) const {
  std::optional<int64_t> step;
  for (uint64_t i = 1; i < moments_.size(); ++i) {
    if (std::any_of(segments.begin(), segments.end(), [&](const Interval& segment) { return segment.begin == i; })) {
      continue;
    }
    const int64_t here = moments_[i] - moments_[i - 1];
    if (step.value_or(here) == here && here > 0) {
      step = here;
      continue;
    }
    return base::InvalidArgument("the steps of '" + dimension_ + "' are not equally long (" + TextOf(i - 1) + ", " +
                                 TextOf(i) + "): give leads as numbers of steps");
  }
  if (step) return *step;
  return base::InvalidArgument("'" + dimension_ + "' has no two steps: give leads as numbers of steps");
}

Result<std::vector<uint32_t>> TimeAxis::PositionsAfter(const TimeAxis& from, int64_t duration) const {
  if (calendar_ != from.calendar_) return base::InvalidArgument("the groups' times are in different calendars");
  if (!std::is_sorted(moments_.begin(), moments_.end())) {
    return base::InvalidArgument("'" + dimension_ + "' does not ascend: its times cannot be found");
  }
  std::vector<uint32_t> positions;
  positions.reserve(from.moments_.size());
  for (const cf::Moment moment : from.moments_) {
    cf::Moment later = 0;
    const bool possible = !__builtin_add_overflow(moment, duration, &later);
    const auto found = std::lower_bound(moments_.begin(), moments_.end(), later);
    const bool there = possible && found != moments_.end() && *found == later;
    positions.push_back(there ? static_cast<uint32_t>(found - moments_.begin()) : kNowhere);
  }
  return positions;
}

std::string TimeAxis::Summary() const {
  if (moments_.empty()) return "nowhere in 0 steps";
  return "from " + TextOf(0) + " to " + TextOf(size() - 1) + " in " + std::to_string(size()) + " steps";
}

std::string TimeAxis::TextOf(uint64_t position) const { return cf::FormatMoment(calendar_, moments_[position]); }

std::optional<std::vector<int64_t>> TimeAxis::UnixMicroseconds() const {
  if (calendar_ != cf::Calendar::kStandard && calendar_ != cf::Calendar::kProlepticGregorian) return std::nullopt;
  constexpr auto kGregorian = cf::Calendar::kProlepticGregorian;
  const cf::Moment epoch = cf::MomentOf(kGregorian, {.year = 1970});
  std::vector<int64_t> out;
  out.reserve(moments_.size());
  for (const cf::Moment moment : moments_) {
    // By the date, as the standard calendar has another one for the same moment before October 1582.
    out.push_back(cf::MomentOf(kGregorian, cf::DateOf(calendar_, moment)) - epoch);
  }
  return out;
}

}  // namespace seamount::loader
