#include "cf/calendar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace seamount::cf {
namespace {

using ::testing::HasSubstr;

TEST(Calendar, DaysCountUpOneByOneAndBack) {
  for (const Calendar calendar : {Calendar::kStandard, Calendar::kProlepticGregorian, Calendar::kJulian,
                                  Calendar::kNoLeap, Calendar::kAllLeap, Calendar::k360Day}) {
    const int64_t start = DayNumber(calendar, -5, 1, 1);
    Date before = DateFromDayNumber(calendar, start);
    EXPECT_EQ(before, (Date{-5, 1, 1, 0}));
    for (int64_t n = start; n < start + 366 * 2100; n += n % 7 == 0 ? 1 : 3) {
      const Date date = DateFromDayNumber(calendar, n);
      ASSERT_EQ(DayNumber(calendar, date.year, date.month, date.day), n);
      ASSERT_TRUE(date.day >= 1 && date.day <= DaysInMonth(calendar, date.year, date.month));
    }
  }
}

TEST(Calendar, StandardLeavesOutTenDays) {
  const int64_t last = DayNumber(Calendar::kStandard, 1582, 10, 4);
  EXPECT_EQ(DateFromDayNumber(Calendar::kStandard, last + 1), (Date{1582, 10, 15, 0}));
  EXPECT_EQ(DayNumber(Calendar::kStandard, 1582, 10, 15), last + 1);
  EXPECT_FALSE(ParseDate(Calendar::kStandard, "1582-10-10"));
  EXPECT_TRUE(ParseDate(Calendar::kProlepticGregorian, "1582-10-10"));
}

// Expected values from cftime.num2date.
struct Case {
  const char* units;
  const char* calendar;
  double value;
  const char* expected;
};
class TimeValues : public ::testing::TestWithParam<Case> {};
TEST_P(TimeValues, AgreeWithCftime) {
  const Case& c = GetParam();
  const auto units = TimeUnits::Parse(c.units, c.calendar);
  ASSERT_TRUE(units) << units.error().ToString();
  const auto moment = units->ToMoment(c.value);
  ASSERT_TRUE(moment);
  EXPECT_EQ(FormatMoment(units->calendar(), *moment), c.expected);
}
INSTANTIATE_TEST_SUITE_P(
    Table, TimeValues,
    ::testing::Values(Case{"hour since 1980-01-14 14:00:00", "", 17598, "1982-01-16T20:00:00"},
                      Case{"days since 1-1-1 00:00:0.0", "standard", 711858, "1949-12-31T00:00:00"},
                      Case{"days since 1582-10-04", "gregorian", 1, "1582-10-15T00:00:00"},
                      Case{"days since 2000-02-28", "noleap", 1, "2000-03-01T00:00:00"},
                      Case{"days since 2001-02-28", "all_leap", 1, "2001-02-29T00:00:00"},
                      Case{"days since 2000-02-30", "360_day", 1, "2000-03-01T00:00:00"},
                      Case{"days since 1900-02-28", "julian", 1, "1900-02-29T00:00:00"},
                      Case{"days since 1900-02-28", "proleptic_gregorian", 1, "1900-03-01T00:00:00"},
                      Case{"seconds since 1970-01-01T00:00:00Z", "", 0.5, "1970-01-01T00:00:00.500000"},
                      Case{"hours since 1900-01-01 00:00:0.0", "", -1, "1899-12-31T23:00:00"},
                      Case{"hours since 2000-01-01 00:00 +02:00", "", 0, "1999-12-31T22:00:00"},
                      Case{"months since 1990-01-15", "", 13, "1991-02-15T00:00:00"},
                      Case{"months since 1990-01-01", "360_day", 0.5, "1990-01-16T00:00:00"},
                      Case{"months since 1990-01-31", "", -2, "1989-11-30T00:00:00"},
                      Case{"years since 1990-07-01", "", 2, "1992-07-01T00:00:00"}));

TEST(Calendar, ValuesBeyondTheCalendarAreRefused) {
  const auto units = TimeUnits::Parse("months since 200000-01-01", "standard");
  ASSERT_TRUE(units);
  EXPECT_TRUE(units->ToMoment(12 * 80'000.0));
  EXPECT_FALSE(units->ToMoment(12 * 280'000.0));
}

TEST(Calendar, MomentsGoBackIntoUnits) {
  const auto hours = TimeUnits::Parse("hours since 1900-01-01", "");
  for (const double value : {0.0, 1.0, -7.0, 1e6 + 0.25, 2e8})
    EXPECT_EQ(hours->FromMoment(*hours->ToMoment(value)), value);
  const auto months = TimeUnits::Parse("months since 1990-01-15", "");
  EXPECT_FALSE(months->linear());
  const TimeUnits days = months->InDays();
  EXPECT_TRUE(days.linear());
  EXPECT_EQ(days.ToString(), "days since 1990-01-15T00:00:00");
  EXPECT_EQ(days, *TimeUnits::Parse(days.ToString(), ""));
  EXPECT_EQ(days.FromMoment(*months->ToMoment(2)), 59);
}

TEST(Calendar, BadUnitsAreRefused) {
  for (const char* units : {"", "hours", "hours since", "fortnights since 1990-01-01", "hours before 1990-01-01",
                            "days since 1990-13-01", "days since 1990-02-30", "days since 99999999-01-01",
                            "days since 1990-01-01 25:00", "days since 1990-01-01 junk"}) {
    EXPECT_FALSE(TimeUnits::Parse(units, "")) << units;
  }
  const auto calendar = TimeUnits::Parse("days since 1990-01-01", "nolep");
  ASSERT_FALSE(calendar);
  EXPECT_THAT(calendar.error().message(), HasSubstr("noleap"));
  const auto units = TimeUnits::Parse("days since 1990-01-01", "");
  EXPECT_FALSE(units->ToMoment(NAN));
  EXPECT_FALSE(units->ToMoment(1e300));
}

TEST(Calendar, DatesSpanWhatTheyWereWrittenFor) {
  const auto end = [](const char* text) {
    const auto date = ParseDate(Calendar::kStandard, text);
    return date ? FormatMoment(Calendar::kStandard, date->end) : date.error().message();
  };
  EXPECT_EQ(end("1982"), "1983-01-01T00:00:00");
  EXPECT_EQ(end("1982-12"), "1983-01-01T00:00:00");
  EXPECT_EQ(end("1982-02-28"), "1982-03-01T00:00:00");
  EXPECT_EQ(end("1982-02-28T23:59"), "1982-03-01T00:00:00");
  EXPECT_EQ(end("1982-02-28 10:00:00"), "1982-02-28T10:00:01");
  EXPECT_NEAR(YearFraction(Calendar::kNoLeap, *TimeUnits::Parse("days since 1999-01-01", "noleap")->ToMoment(73)), 0.2,
              1e-12);
}

}  // namespace
}  // namespace seamount::cf
