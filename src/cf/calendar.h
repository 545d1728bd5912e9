// Time as CF writes it: "UNIT since DATE" in one of the CF calendars.
//
// How it works: every date becomes microseconds since year 0 of its own calendar (Moment), in which all comparisons and
// arithmetic are done; a calendar is two functions, date to day number and back. "Months" and "years" are calendar
// months and years, as people who write "months since" mean them (UDUNITS would take 30.44 days): the whole part moves
// the month, a fraction is that part of the month then reached.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::cf {

enum class Calendar { kStandard, kProlepticGregorian, kJulian, kNoLeap, kAllLeap, k360Day };
// "gregorian", "standard", "" (the default), "365_day", … in any case. InvalidArgument lists them.
Result<Calendar> CalendarFromName(std::string_view name);

struct Date {
  int64_t year = 1;
  int month = 1;            // 1..12
  int day = 1;              // 1..31
  int64_t microsecond = 0;  // of the day

  bool operator==(const Date&) const = default;
};

int DaysInMonth(Calendar calendar, int64_t year, int month);
// Days since 0000-01-01 of the calendar itself; the date must be valid.
int64_t DayNumber(Calendar calendar, int64_t year, int month, int day);
Date DateFromDayNumber(Calendar calendar, int64_t day_number);

// Microseconds since 0000-01-01T00:00 of a calendar.
using Moment = int64_t;
inline constexpr int64_t kDayMicroseconds = int64_t{86'400} * 1'000'000;
Moment MomentOf(Calendar calendar, const Date& date);
Date DateOf(Calendar calendar, Moment moment);
// How much of its year has passed, 0 to below 1.
double YearFraction(Calendar calendar, Moment moment);
// "1982-01-16T20:00:00", with a fraction of seconds only where there is one.
std::string FormatMoment(Calendar calendar, Moment moment);

// "1982", "1982-01", "1982-01-16", "1982-01-16T20:00", "1982-01-16 20:00:00.5Z", "+02:00" and so on.
struct ParsedDate {
  Date date;
  Moment end = 0;  // the first moment that is no longer in what was written: "1982-01" ends with February's first
};
Result<ParsedDate> ParseDate(Calendar calendar, std::string_view text);

// A time axis: units and calendar of a coordinate.
class TimeUnits {
 public:
  // "hour since 1980-01-14 14:00:00". Units: any usual spelling from microseconds to years.
  static Result<TimeUnits> Parse(std::string_view units, std::string_view calendar);
  Calendar calendar() const { return calendar_; }
  // InvalidArgument for what is not finite or lies beyond 290,000 years.
  Result<Moment> ToMoment(double value) const;
  Result<std::vector<Moment>> ToMoments(const std::vector<double>& values) const;
  // Whether equal steps are equal times: all units but months and years.
  bool linear() const { return unit_microseconds_ > 0; }
  // The inverse of ToMoment, for linear units.
  double FromMoment(Moment moment) const;
  // "days since" the same date.
  TimeUnits InDays() const;
  // "days since 1990-01-15T00:00:00", for units that InDays gave.
  std::string ToString() const;
  bool operator==(const TimeUnits&) const = default;

 private:
  Calendar calendar_ = Calendar::kStandard;
  Moment origin_ = 0;
  int64_t unit_microseconds_ = 0;  // 0: months
  int months_ = 0;                 // per unit, where that is 0
};

}  // namespace seamount::cf
