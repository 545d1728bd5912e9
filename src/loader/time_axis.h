// What the positions along a dimension mean in time: its coordinate, in whatever units and calendar.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cf/calendar.h"
#include "loader/group.h"
#include "loader/samples.h"

namespace seamount::loader {

inline constexpr uint32_t kNowhere = UINT32_MAX;

// Immutable.
class TimeAxis {
 public:
  // From the array that is named as the dimension. NotFound where there is none, InvalidArgument where it is no time.
  static Result<TimeAxis> Open(const Group& group, const std::string& dimension, const CallContext& context);

  uint64_t size() const { return moments_.size(); }
  // The positions from `from` to `to`, both included: "1990-12" lasts to the end of December. InvalidArgument where one
  // is no date of the calendar, none lies between, or times do not ascend.
  Result<Interval> Find(const std::string& from, const std::string& to) const;
  // From one position to the next, in microseconds. InvalidArgument where it is not the same throughout, gaps left out:
  // between `segments`, or none where that is empty.
  Result<int64_t> Step(const std::vector<Interval>& segments) const;
  // For each position of `from`, the position here that is `duration` microseconds later, or kNowhere. InvalidArgument
  // where the calendars differ, or times here do not ascend.
  Result<std::vector<uint32_t>> PositionsAfter(const TimeAxis& from, int64_t duration) const;
  // Microseconds from one position to another.
  int64_t Between(uint64_t from, uint64_t to) const { return moments_[to] - moments_[from]; }
  // Whether each position is the same date in both.
  bool SameAs(const TimeAxis& other) const { return calendar_ == other.calendar_ && moments_ == other.moments_; }
  // "from DATE to DATE in N steps".
  std::string Summary() const;
  // "1982-01-16T20:00:00", in the axis's calendar.
  std::string TextOf(uint64_t position) const;
  // Microseconds since 1970, for the calendars that people live by; nullopt for a year of 365 or 360 days and the like.
  std::optional<std::vector<int64_t>> UnixMicroseconds() const;

 private:
  std::string dimension_;
  cf::Calendar calendar_ = cf::Calendar::kStandard;
  std::vector<cf::Moment> moments_;
};

}  // namespace seamount::loader
