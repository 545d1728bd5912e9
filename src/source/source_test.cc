#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "source/calendar.h"
#include "source/cf.h"
#include "source/copy_box.h"
#include "source/dataset.h"
#include "source/hdf5/filters.h"
#include "source/netcdf/classic.h"

namespace seamount::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Writes the classic format, big-endian, as little of it as the tests need.
struct ClassicWriter {
  std::string bytes = std::string("CDF\1", 4);
  void U32(uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  }
  void Name(const std::string& name) {
    U32(static_cast<uint32_t>(name.size()));
    bytes += name + std::string((4 - name.size() % 4) % 4, '\0');
  }
};

// One record dimension, one int16 record variable "v" of three values a record: records of six bytes, not padded.
std::string LoneRecordFile(uint32_t records) {
  ClassicWriter out;
  out.U32(records);
  out.U32(10), out.U32(2), out.Name("t"), out.U32(0), out.Name("x"), out.U32(3);
  out.U32(0), out.U32(0);
  out.U32(11), out.U32(1), out.Name("v"), out.U32(2), out.U32(0), out.U32(1), out.U32(0), out.U32(0);
  out.U32(3), out.U32(8);
  out.U32(static_cast<uint32_t>(out.bytes.size() + 4));
  for (uint32_t r = 0; r < 2; ++r) {
    for (uint32_t x = 0; x < 3; ++x) out.bytes += std::string{'\0', static_cast<char>(r * 3 + x)};
  }
  return out.bytes;
}

Result<std::unique_ptr<Dataset>> OpenBytes(const std::string& bytes) {
  return netcdf::OpenClassic(std::make_shared<store::BytesSource>(bytes),
                             {.path = "test.nc", .size_bytes = bytes.size()});
}

TEST(Classic, LoneRecordVariableIsNotPadded) {
  for (const uint32_t count : {2U, 0xFFFFFFFFU}) {  // counted, and streamed: found from the file's size
    auto dataset = OpenBytes(LoneRecordFile(count));
    ASSERT_TRUE(dataset) << dataset.error().ToString();
    EXPECT_THAT((*dataset)->variables()[0].shape, ElementsAre(2, 3));
    std::vector<int16_t> values(4);
    ASSERT_TRUE((*dataset)->ReadBox(0, {{0, 1}, {2, 2}}, std::as_writable_bytes(std::span(values))));
    EXPECT_THAT(values, ElementsAre(1, 2, 4, 5));
  }
}

TEST(Classic, TruncatedFileNamesVariableAndSizes) {
  std::string bytes = LoneRecordFile(2);
  const std::string whole = std::to_string(bytes.size());
  bytes.pop_back();
  const auto dataset = OpenBytes(bytes);
  ASSERT_FALSE(dataset);
  EXPECT_EQ(dataset.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(dataset.error().message(), HasSubstr("test.nc"));
  EXPECT_THAT(dataset.error().message(), HasSubstr("'v' ends at byte " + whole));
  EXPECT_THAT(dataset.error().message(), HasSubstr(std::to_string(bytes.size()) + " bytes"));
}

TEST(Classic, EveryPrefixOfAHeaderIsAnErrorNotACrash) {
  const std::string bytes = LoneRecordFile(2);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(OpenBytes(bytes.substr(0, size))) << size;
}

TEST(Dataset, BoxesAreChecked) {
  auto dataset = OpenBytes(LoneRecordFile(2));
  ASSERT_TRUE(dataset);
  std::vector<std::byte> into(8);
  EXPECT_FALSE((*dataset)->ReadBox(0, {{1, 1}, {2, 2}}, into));
  EXPECT_FALSE((*dataset)->ReadBox(0, {{0, 0}, {1, 3}}, into));
  EXPECT_FALSE((*dataset)->ReadBox(0, {{0}, {1}}, into));
  const auto missing = FindVariable(**dataset, "w");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr("did you mean 'v'?"));
}

TEST(Open, TellsWhatAFileIsNot) {
  const auto path = std::filesystem::temp_directory_path() / ("seamount_source_test_" + std::to_string(::getpid()));
  std::ofstream(path) << "neither this nor that";
  const auto opened = Open(path.string());
  std::filesystem::remove(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument);
  const auto absent = Open(path.string());
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
}

TEST(CopyBox, AgreesWithElementwiseCopy) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n)(random); };
  for (int round = 0; round < 300; ++round) {
    const size_t rank = below(4);
    Index shape(rank), from_shape(rank), to_shape(rank), from_at(rank), to_at(rank);
    for (size_t d = 0; d < rank; ++d) {
      shape[d] = below(4);
      from_at[d] = below(2);
      to_at[d] = below(2);
      from_shape[d] = shape[d] + from_at[d] + below(1);
      to_shape[d] = shape[d] + to_at[d] + below(1);
    }
    std::vector<uint16_t> from(Elements(from_shape)), to(Elements(to_shape), 9999);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint16_t>(i);
    auto expected = to;
    for (uint64_t i = 0; i < Elements(shape); ++i) {
      uint64_t rest = i, f = 0, t = 0, f_step = 1, t_step = 1;
      for (size_t d = rank; d-- > 0;) {
        const uint64_t at = rest % shape[d];
        rest /= shape[d];
        f += (at + from_at[d]) * f_step;
        t += (at + to_at[d]) * t_step;
        f_step *= from_shape[d];
        t_step *= to_shape[d];
      }
      expected[t] = from[f];
    }
    CopyBox({reinterpret_cast<const std::byte*>(from.data()), from_shape, from_at},
            {reinterpret_cast<std::byte*>(to.data()), to_shape, to_at}, shape, 2);
    ASSERT_EQ(to, expected);
  }
}

TEST(Filters, UnshuffleInvertsShuffleForEverySize) {
  for (const size_t element : {1U, 2U, 3U, 4U, 8U, 16U}) {
    for (const size_t count : {0U, 1U, 15U, 16U, 17U, 100U}) {
      for (const size_t rest : {size_t{0}, element - 1}) {
        std::vector<std::byte> plain(count * element + rest);
        for (size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<std::byte>(i * 7 + i / 256);
        std::vector<std::byte> shuffled = plain;
        for (size_t i = 0; i < count; ++i) {
          for (size_t b = 0; b < element; ++b) shuffled[b * count + i] = plain[i * element + b];
        }
        std::vector<std::byte> out(plain.size());
        hdf5::Unshuffle(shuffled, element, out);
        EXPECT_EQ(out, plain) << element << " × " << count << " + " << rest;
      }
    }
  }
}

TEST(Filters, FletcherNoticesAFlippedBit) {
  std::vector<std::byte> data(101);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i);
  const uint32_t sum = hdf5::Fletcher32(data);
  std::vector<std::byte> stored = data;
  for (int shift = 0; shift < 32; shift += 8) stored.push_back(static_cast<std::byte>(sum >> shift));
  const hdf5::Filter filter{hdf5::FilterKind::kFletcher32, 1, "fletcher32"};
  hdf5::FilterScratch scratch;
  std::vector<std::byte> out(data.size());
  ASSERT_TRUE(hdf5::Unfilter({&filter, 1}, 0, stored, out, scratch));
  EXPECT_EQ(out, data);
  stored[50] ^= std::byte{4};
  EXPECT_EQ(hdf5::Unfilter({&filter, 1}, 0, stored, out, scratch).error().code(), ErrorCode::kDataLoss);
  EXPECT_FALSE(hdf5::Unfilter({&filter, 1}, 1, data, std::span(out).first(50), scratch)) << "too long";
}

Variable Packed(DataType type, std::vector<Attribute> attributes) {
  Variable variable;
  variable.name = "t2m";
  variable.type = type;
  variable.attributes = std::move(attributes);
  return variable;
}

TEST(Cf, MissingBeforeScaling) {
  const Variable v = Packed(DataType::kInt16, {{"_FillValue", DataType::kInt16, "", {-999}},
                                               {"missing_value", DataType::kInt16, "", {-998}},
                                               {"valid_range", DataType::kInt16, "", {-100, 100}},
                                               {"scale_factor", DataType::kFloat64, "", {0.5}},
                                               {"add_offset", DataType::kFloat64, "", {10}}});
  const auto packing = PackingOf(v);
  ASSERT_TRUE(packing);
  const std::vector<int16_t> stored = {-999, -998, -101, 101, 100, 0, -3};
  std::vector<float> out(stored.size());
  Decode(std::as_bytes(std::span(stored)), v.type, *packing, std::span<float>(out));
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(std::isnan(out[i])) << i;
  EXPECT_THAT(std::vector<float>(out.begin() + 4, out.end()), ElementsAre(60, 10, 8.5));
}

TEST(Cf, FillValueWrittenAsDoubleMeansTheNearestFloat) {
  const Variable v = Packed(DataType::kFloat32, {{"_FillValue", DataType::kFloat64, "", {-99.9}}});
  const auto packing = PackingOf(v);
  const std::vector<float> stored = {-99.9F, 1};
  std::vector<float> out(2);
  Decode(std::as_bytes(std::span(stored)), v.type, *packing, std::span<float>(out));
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_EQ(out[1], 1);
}

TEST(Cf, UnsignedBytes) {
  const Variable v =
      Packed(DataType::kInt8, {{"_Unsigned", DataType::kChar, "true", {}}, {"_FillValue", DataType::kInt8, "", {-1}}});
  const auto packing = PackingOf(v);
  const std::vector<int8_t> stored = {-1, -2, 5};
  std::vector<double> out(3);
  Decode(std::as_bytes(std::span(stored)), v.type, *packing, std::span<double>(out));
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_EQ(out[1], 254);
  EXPECT_EQ(out[2], 5);
}

TEST(Cf, BrokenAttributesAreNamed) {
  const auto packing = PackingOf(Packed(DataType::kInt16, {{"scale_factor", DataType::kChar, "two", {}}}));
  ASSERT_FALSE(packing);
  EXPECT_THAT(packing.error().message(), HasSubstr("scale_factor"));
}

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
}  // namespace seamount::source
