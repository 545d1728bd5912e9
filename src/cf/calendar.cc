#include "cf/calendar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/text.h"

namespace seamount::cf {
namespace {

constexpr int64_t kMaxYear = 290'000;          // microseconds in 64 bits reach that far
constexpr int64_t kGregorianStart = 15821015;  // yyyymmdd: the first Gregorian day of the standard calendar
constexpr std::array<int, 12> kDaysBefore = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
constexpr std::array<int, 12> kMonthDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

bool IsGregorian(Calendar calendar, int64_t year, int month, int day) {
  if (calendar == Calendar::kProlepticGregorian) return true;
  return calendar == Calendar::kStandard && year * 10000 + month * 100 + day >= kGregorianStart;
}

bool IsLeap(Calendar calendar, int64_t year) {
  switch (calendar) {
    case Calendar::kNoLeap:
    case Calendar::k360Day: return false;
    case Calendar::kAllLeap: return true;
    case Calendar::kJulian: return year % 4 == 0;
    case Calendar::kStandard:
      if (year <= 1582) return year % 4 == 0;
      break;
    case Calendar::kProlepticGregorian: break;
  }
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// Days from 0000-01-01 to the year's first day. Years before 0 work out by floor division.
int64_t DaysBeforeYear(Calendar calendar, int64_t year, bool gregorian) {
  if (calendar == Calendar::k360Day) return year * 360;
  if (calendar == Calendar::kNoLeap) return year * 365;
  if (calendar == Calendar::kAllLeap) return year * 366;
  const int64_t leaps = FloorDivide(year + 3, 4);
  if (!gregorian) return year * 365 + leaps;
  return year * 365 + leaps - FloorDivide(year + 99, 100) + FloorDivide(year + 399, 400);
}

// The Julian day numbers of year 0 lie two days before the proleptic Gregorian ones; the standard calendar counts in
// days that agree with the Gregorian ones after the change, so its Julian part is shifted.
constexpr int64_t kJulianShift = -2;

struct Scanner {
  std::string_view text;
  bool Eat(char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  }
  void Spaces() {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  }
  bool Digit() const { return !text.empty() && text.front() >= '0' && text.front() <= '9'; }
  // At most `most` digits.
  std::optional<int64_t> Number(size_t most) {
    size_t n = 0;
    int64_t value = 0;
    while (n < most && Digit()) {
      value = value * 10 + (text.front() - '0');
      text.remove_prefix(1);
      ++n;
    }
    if (n == 0) return std::nullopt;
    return value;
  }
};

struct Clock {
  int64_t microsecond = 0;
  int64_t zone = 0;                      // microseconds to subtract
  int64_t precision = kDayMicroseconds;  // how long what was written lasts
};

std::optional<int64_t> ScanZone(Scanner& in) {
  in.Spaces();
  for (const std::string_view utc : {"Z", "z", "UTC", "GMT"}) {
    if (in.text.starts_with(utc)) {
      in.text.remove_prefix(utc.size());
      return 0;
    }
  }
  const bool minus = in.text.starts_with('-');
  if (!minus && !in.text.starts_with('+')) return 0;
  in.text.remove_prefix(1);
  const auto hours = in.Number(2);
  const bool colon = in.Eat(':');
  const auto minutes =
      in.Digit() ? in.Number(2) : std::optional<int64_t>(colon ? std::nullopt : std::optional(int64_t{0}));
  if (!hours || !minutes || *hours > 18 || *minutes > 59) return std::nullopt;
  return (minus ? -1 : 1) * (*hours * 60 + *minutes) * 60'000'000;
}

std::optional<Clock> ScanClock(Scanner& in) {
  Clock clock;
  const auto hour = in.Number(2);
  if (!hour || *hour > 24) return std::nullopt;
  clock.microsecond = *hour * 3'600'000'000;
  clock.precision = 3'600'000'000;
  if (in.Eat(':')) {
    const auto minute = in.Number(2);
    if (!minute || *minute > 59) return std::nullopt;
    clock.microsecond += *minute * 60'000'000;
    clock.precision = 60'000'000;
    if (in.Eat(':')) {
      const auto second = in.Number(2);
      if (!second || *second > 60) return std::nullopt;
      clock.microsecond += *second * 1'000'000;
      clock.precision = 1'000'000;
      if (in.Eat('.')) {
        int64_t unit = 1'000'000;
        while (in.Digit()) {
          unit /= 10;
          clock.microsecond += unit * (in.text.front() - '0');
          in.text.remove_prefix(1);
        }
        clock.precision = 1;
      }
    }
  }
  const auto zone = ScanZone(in);
  if (!zone) return std::nullopt;
  clock.zone = *zone;
  return clock;
}

// One month after the given date's month began.
Moment NextMonth(Calendar calendar, const Date& date) {
  const Date next = date.month == 12 ? Date{date.year + 1, 1, 1, 0} : Date{date.year, date.month + 1, 1, 0};
  return MomentOf(calendar, next);
}

}  // namespace

Result<Calendar> CalendarFromName(std::string_view name) {
  std::string lower;
  for (const char c : name) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower.empty() || lower == "standard" || lower == "gregorian") return Calendar::kStandard;
  if (lower == "proleptic_gregorian") return Calendar::kProlepticGregorian;
  if (lower == "julian") return Calendar::kJulian;
  if (lower == "noleap" || lower == "365_day") return Calendar::kNoLeap;
  if (lower == "all_leap" || lower == "366_day") return Calendar::kAllLeap;
  if (lower == "360_day") return Calendar::k360Day;
  const std::vector<std::string> known = {
      "standard", "gregorian", "proleptic_gregorian", "julian", "noleap", "365_day", "all_leap", "366_day", "360_day"};
  return base::InvalidArgument("the calendar '" + std::string(name) + "' is not known" + base::NameHint(name, known));
}

int DaysInMonth(Calendar calendar, int64_t year, int month) {
  if (calendar == Calendar::k360Day) return 30;
  return kMonthDays[static_cast<size_t>(month - 1)] + (month == 2 && IsLeap(calendar, year) ? 1 : 0);
}

int64_t DayNumber(Calendar calendar, int64_t year, int month, int day) {
  if (calendar == Calendar::k360Day) return year * 360 + (month - 1) * 30 + day - 1;
  const bool gregorian = IsGregorian(calendar, year, month, day);
  const bool leap = gregorian ? IsLeap(Calendar::kProlepticGregorian, year)
                              : IsLeap(calendar == Calendar::kStandard ? Calendar::kJulian : calendar, year);
  const int64_t in_year = kDaysBefore[static_cast<size_t>(month - 1)] + (month > 2 && leap ? 1 : 0) + day - 1;
  const int64_t shift = calendar == Calendar::kStandard && !gregorian ? kJulianShift : 0;
  return DaysBeforeYear(calendar, year, gregorian) + in_year + shift;
}

Date DateFromDayNumber(Calendar calendar, int64_t day_number) {
  // A guess from the mean length of a year, then at most a step or two.
  const double mean = calendar == Calendar::k360Day    ? 360
                      : calendar == Calendar::kNoLeap  ? 365
                      : calendar == Calendar::kAllLeap ? 366
                                                       : 365.2425;
  auto year = static_cast<int64_t>(std::floor(static_cast<double>(day_number) / mean));
  while (DayNumber(calendar, year, 1, 1) > day_number) --year;
  while (DayNumber(calendar, year + 1, 1, 1) <= day_number) ++year;
  int month = 12;
  while (month > 1 && DayNumber(calendar, year, month, 1) > day_number) --month;
  int64_t day = day_number - DayNumber(calendar, year, month, 1) + 1;
  // October 1582 of the standard calendar has no 5th to 14th.
  if (calendar == Calendar::kStandard && year == 1582 && month == 10 && day > 4) day += 10;
  return {year, month, static_cast<int>(day), 0};
}

Moment MomentOf(Calendar calendar, const Date& date) {
  return DayNumber(calendar, date.year, date.month, date.day) * kDayMicroseconds + date.microsecond;
}

Date DateOf(Calendar calendar, Moment moment) {
  const int64_t day = FloorDivide(moment, kDayMicroseconds);
  Date date = DateFromDayNumber(calendar, day);
  date.microsecond = moment - day * kDayMicroseconds;
  return date;
}

double YearFraction(Calendar calendar, Moment moment) {
  const int64_t year = DateOf(calendar, moment).year;
  const Moment start = MomentOf(calendar, {year, 1, 1, 0});
  const Moment end = MomentOf(calendar, {year + 1, 1, 1, 0});
  return static_cast<double>(moment - start) / static_cast<double>(end - start);
}

std::string FormatMoment(Calendar calendar, Moment moment) {
  const Date date = DateOf(calendar, moment);
  const int64_t seconds = date.microsecond / 1'000'000;
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04lld-%02d-%02dT%02d:%02d:%02d", static_cast<long long>(date.year),
                date.month, date.day, static_cast<int>(seconds / 3600), static_cast<int>(seconds / 60 % 60),
                static_cast<int>(seconds % 60));
  std::string out = text.data();
  if (const int64_t rest = date.microsecond % 1'000'000; rest != 0) {
    std::snprintf(text.data(), text.size(), ".%06lld", static_cast<long long>(rest));
    out += text.data();
  }
  return out;
}

Result<ParsedDate> ParseDate(Calendar calendar, std::string_view text) {
  const auto fail = [&](const std::string& why) {
    return base::InvalidArgument("'" + std::string(text) + "' is not a date" + why +
                                 " (expected for example 1982, 1982-01, 1982-01-16 or 1982-01-16T20:00)");
  };
  Scanner in{text};
  in.Spaces();
  const bool negative = in.Eat('-');
  const auto year = in.Number(6);
  if (!year || *year > kMaxYear) return fail("");
  ParsedDate out;
  out.date.year = negative ? -*year : *year;
  int parts = 1;
  if (in.Eat('-')) {
    const auto month = in.Number(2);
    if (!month || *month < 1 || *month > 12) return fail(": no such month");
    out.date.month = static_cast<int>(*month);
    parts = 2;
    if (in.Eat('-')) {
      const auto day = in.Number(2);
      if (!day || *day < 1 || *day > DaysInMonth(calendar, out.date.year, out.date.month)) {
        return fail(": no such day in its calendar");
      }
      out.date.day = static_cast<int>(*day);
      parts = 3;
    }
  }
  Clock clock;
  if (parts == 3 && (in.text.starts_with('T') || in.text.starts_with(' '))) {
    in.text.remove_prefix(1);
    in.Spaces();
    if (in.Digit()) {
      const auto scanned = ScanClock(in);
      if (!scanned) return fail(": its time of day is wrong");
      clock = *scanned;
      parts = 4;
    }
  }
  if (!ScanZone(in)) return fail(": its time zone is wrong");
  in.Spaces();
  if (!in.text.empty()) return fail("");
  if (calendar == Calendar::kStandard && out.date.year == 1582 && out.date.month == 10 && out.date.day > 4 &&
      out.date.day < 15) {
    return fail(": the day does not exist in the standard calendar");
  }
  const Moment start = MomentOf(calendar, out.date) + clock.microsecond - clock.zone;
  out.end = start + clock.precision;
  if (parts == 1) out.end = MomentOf(calendar, {out.date.year + 1, 1, 1, 0});
  if (parts == 2) out.end = NextMonth(calendar, out.date);
  out.date = DateOf(calendar, start);
  return out;
}

Result<TimeUnits> TimeUnits::Parse(std::string_view units, std::string_view calendar) {
  const auto fail = [&](const std::string& why) {
    return base::InvalidArgument("time units '" + std::string(units) + "': " + why +
                                 " (expected for example 'hours since 1980-01-01 00:00')");
  };
  TimeUnits out;
  SEAMOUNT_TRY_ASSIGN(out.calendar_, CalendarFromName(calendar));
  Scanner in{units};
  in.Spaces();
  std::string unit;
  while (!in.text.empty() && in.text.front() != ' ') {
    unit += static_cast<char>(std::tolower(static_cast<unsigned char>(in.text.front())));
    in.text.remove_prefix(1);
  }
  in.Spaces();
  std::string since;
  while (!in.text.empty() && in.text.front() != ' ') {
    since += static_cast<char>(std::tolower(static_cast<unsigned char>(in.text.front())));
    in.text.remove_prefix(1);
  }
  if (since != "since") return fail("they are not of the form 'UNIT since DATE'");
  if (unit.size() > 3 && unit.ends_with('s')) unit.pop_back();
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), unit) != names.end();
  };
  if (is({"microsecond", "microsec", "us"})) {
    out.unit_microseconds_ = 1;
  } else if (is({"millisecond", "millisec", "msec", "ms"})) {
    out.unit_microseconds_ = 1'000;
  } else if (is({"second", "sec", "s"})) {
    out.unit_microseconds_ = 1'000'000;
  } else if (is({"minute", "min"})) {
    out.unit_microseconds_ = 60'000'000;
  } else if (is({"hour", "hr", "hrs", "h"})) {
    out.unit_microseconds_ = 3'600'000'000;
  } else if (is({"day", "d"})) {
    out.unit_microseconds_ = kDayMicroseconds;
  } else if (is({"week"})) {
    out.unit_microseconds_ = 7 * kDayMicroseconds;
  } else if (is({"month", "mon", "common_month"})) {
    out.months_ = 1;
  } else if (is({"year", "yr", "yrs", "common_year"})) {
    out.months_ = 12;
  } else {
    return fail("the unit '" + unit + "' is not known");
  }
  in.Spaces();
  auto origin = ParseDate(out.calendar_, in.text);
  if (!origin) return origin.error().Wrap("time units '" + std::string(units) + "'");
  out.origin_ = MomentOf(out.calendar_, origin->date);
  return out;
}

Result<Moment> TimeUnits::ToMoment(double value) const {
  const auto fail = [&] { return base::InvalidArgument("the time value " + std::to_string(value) + " is no date"); };
  if (!std::isfinite(value)) return fail();
  if (unit_microseconds_ > 0) {
    const double microseconds = value * static_cast<double>(unit_microseconds_);
    if (std::abs(microseconds) > 9e18 - std::abs(static_cast<double>(origin_))) return fail();
    // Whole units exactly, and only their fraction rounded: 2^53 microseconds are but 285 years.
    const double whole = std::floor(value);
    return origin_ + static_cast<int64_t>(whole) * unit_microseconds_ +
           std::llround((value - whole) * static_cast<double>(unit_microseconds_));
  }
  const double months = value * months_;
  if (std::abs(months) > static_cast<double>(kMaxYear) * 12) return fail();
  const double whole = std::floor(months);
  const Date start = DateOf(calendar_, origin_);
  const int64_t number = start.year * 12 + start.month - 1 + static_cast<int64_t>(whole);
  Date date{FloorDivide(number, 12), 0, 1, start.microsecond};
  if (std::abs(date.year) > kMaxYear) return fail();
  date.month = static_cast<int>(number - date.year * 12) + 1;
  const int days = DaysInMonth(calendar_, date.year, date.month);
  date.day = std::min(start.day, days);
  return MomentOf(calendar_, date) + std::llround((months - whole) * days * static_cast<double>(kDayMicroseconds));
}

Result<std::vector<Moment>> TimeUnits::ToMoments(const std::vector<double>& values) const {
  std::vector<Moment> moments;
  moments.reserve(values.size());
  for (const double value : values) {
    SEAMOUNT_TRY_ASSIGN(const Moment moment, ToMoment(value));
    moments.push_back(moment);
  }
  return moments;
}

double TimeUnits::FromMoment(Moment moment) const {
  const int64_t since = moment - origin_;
  // Whole units exactly, as in ToMoment.
  const int64_t whole = since / unit_microseconds_;
  return static_cast<double>(whole) +
         static_cast<double>(since % unit_microseconds_) / static_cast<double>(unit_microseconds_);
}

TimeUnits TimeUnits::InDays() const {
  TimeUnits days = *this;
  days.unit_microseconds_ = kDayMicroseconds;
  days.months_ = 0;
  return days;
}

std::string TimeUnits::ToString() const { return "days since " + FormatMoment(calendar_, origin_); }

}  // namespace seamount::cf
