#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "cf/axis.h"
#include "cf/decode.h"

namespace seamount::cf {
namespace {

using nd::DataType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::NanSensitiveDoubleEq;
using ::testing::Pointwise;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Attribute Numbers(const char* name, DataType type, std::vector<double> numbers) {
  return {name, type, "", std::move(numbers)};
}
Attribute Text(const char* name, const char* text) { return {name, DataType::kChar, text, {}}; }

template <class T>
std::vector<double> Decoded(const std::vector<T>& stored, DataType type, const std::vector<Attribute>& attributes,
                            std::optional<double> fill = {}, const Options& options = {}) {
  const auto packing = ParsePacking(attributes, type, fill, options);
  if (!packing) throw std::runtime_error(packing.error().ToString());
  std::vector<double> out(stored.size());
  Decode(std::as_bytes(std::span(stored)), *packing, std::span<double>(out));
  return out;
}

auto Are(const std::vector<double>& values) { return Pointwise(NanSensitiveDoubleEq(), values); }

TEST(Packing, MissingBeforeScaling) {
  const std::vector<Attribute> attributes = {
      Numbers("_FillValue", DataType::kInt16, {-999}), Numbers("missing_value", DataType::kInt16, {-998}),
      Numbers("valid_range", DataType::kInt16, {-100, 100}), Numbers("scale_factor", DataType::kFloat64, {0.5}),
      Numbers("add_offset", DataType::kFloat64, {10})};
  EXPECT_THAT(Decoded<int16_t>({-999, -998, -101, 101, 100, 0, -3}, DataType::kInt16, attributes),
              Are({kNan, kNan, kNan, kNan, 60, 10, 8.5}));
}

TEST(Packing, FillValueWrittenAsDoubleMeansTheNearestFloat) {
  EXPECT_THAT(Decoded<float>({-99.9F, 1}, DataType::kFloat32, {Numbers("_FillValue", DataType::kFloat64, {-99.9})}),
              Are({kNan, 1}));
}

TEST(Packing, UnsignedInEverySpelling) {
  for (const char* text : {"true", "True", "TRUE"}) {
    const std::vector<Attribute> bytes = {Text("_Unsigned", text), Numbers("_FillValue", DataType::kInt8, {-1})};
    EXPECT_THAT(Decoded<int8_t>({-1, -2, 5}, DataType::kInt8, bytes), Are({kNan, 254, 5}));
  }
  for (const char* text : {"false", "False"}) {  // OPeNDAP's bytes have no sign, so that signed ones say so
    const std::vector<Attribute> bytes = {Text("_Unsigned", text), Numbers("_FillValue", DataType::kUInt8, {255})};
    EXPECT_THAT(Decoded<uint8_t>({255, 254, 5}, DataType::kUInt8, bytes), Are({kNan, -2, 5}));
  }
  EXPECT_THAT(Decoded<uint8_t>({255}, DataType::kUInt8, {Text("_Unsigned", "true")}), Are({255}));
  EXPECT_THAT(Decoded<int8_t>({-1}, DataType::kInt8, {Text("_Unsigned", "no")}), Are({-1}));
  const std::vector<Attribute> range = {Text("_Unsigned", "true"), Numbers("valid_range", DataType::kInt16, {0, -6})};
  EXPECT_THAT(Decoded<int16_t>({0, -6, -5}, DataType::kInt16, range), Are({0, 65530, kNan}));
  EXPECT_THAT(Decoded<uint8_t>({7}, DataType::kUInt8, {Numbers("valid_min", DataType::kInt16, {-1})}), Are({7}));
}

std::vector<Attribute> Scaled(double scale, double offset, std::vector<Attribute> more) {
  more.push_back(Numbers("scale_factor", DataType::kFloat32, {scale}));
  more.push_back(Numbers("add_offset", DataType::kFloat32, {offset}));
  return more;
}

TEST(ValidRange, OfAWiderTypeIsInTheUnitsOfTheValues) {
  const std::vector<int16_t> stored = {-1, 0, 80, 81};
  for (const DataType type : {DataType::kFloat32, DataType::kFloat64}) {
    EXPECT_THAT(Decoded(stored, DataType::kInt16, Scaled(0.5, 270, {Numbers("valid_range", type, {270, 310})})),
                Are({kNan, 270, 310, kNan}));
  }
  // Packed limits, of an integer type however wide.
  EXPECT_THAT(Decoded(stored, DataType::kInt16, Scaled(0.5, 270, {Numbers("valid_range", DataType::kInt32, {0, 80})})),
              Are({kNan, 270, 310, kNan}));
  // A limit means what it would be packed to: 0.1 × 3 is more than 0.3.
  EXPECT_THAT(
      Decoded<int16_t>({3, 4}, DataType::kInt16, Scaled(0.1, 0, {Numbers("valid_max", DataType::kFloat64, {0.3})})),
      Are({0.1 * 3, kNan}));
  // Turned around by a negative scale.
  EXPECT_THAT(Decoded<int16_t>({-11, -10, 0, 1}, DataType::kInt16,
                               Scaled(-2, 0,
                                      {Numbers("valid_min", DataType::kFloat64, {0}),
                                       Numbers("valid_max", DataType::kFloat64, {20})})),
              Are({kNan, 20, 0, kNan}));
  // Data that are not packed have one kind of units.
  EXPECT_THAT(Decoded<int16_t>({-1, 5}, DataType::kInt16, {Numbers("valid_min", DataType::kFloat64, {0})}),
              Are({kNan, 5}));
}

TEST(ValidRange, ThatMeansNothingIsIgnoredAndSaid) {
  for (const std::vector<double>& range : {std::vector<double>{4, 0}, {1}, {1, 2, 3}, {}, {kNan, 1}}) {
    const std::vector<Attribute> attributes = {Numbers("valid_range", DataType::kInt16, range)};
    const auto packing = ParsePacking(attributes, DataType::kInt16, {});
    ASSERT_TRUE(packing);
    EXPECT_TRUE(packing->identity(DataType::kInt16));
    ASSERT_EQ(packing->remarks.size(), 1U);
    EXPECT_THAT(packing->remarks[0], HasSubstr("valid_range"));
  }
}

TEST(ValidRange, CanBeLeftAlone) {
  const Options ignore{.valid_range = ValidRange::kIgnore};
  EXPECT_THAT(Decoded<int16_t>({9}, DataType::kInt16, {Numbers("valid_max", DataType::kInt16, {5})}, {}, ignore),
              Are({9}));
}

TEST(Fill, OfWhatWasNeverWrittenCountsWhereNoFillValueIsNamed) {
  const double fill = *DefaultFill(DataType::kFloat32);
  const std::vector<float> stored = {static_cast<float>(fill), 1, -9};
  const Attribute missing = Numbers("missing_value", DataType::kFloat32, {-9});
  const Attribute named = Numbers("_FillValue", DataType::kFloat32, {-9});
  EXPECT_THAT(Decoded(stored, DataType::kFloat32, {}, fill), Are({kNan, 1, -9}));
  EXPECT_THAT(Decoded(stored, DataType::kFloat32, {missing}, fill), Are({kNan, 1, kNan}));
  EXPECT_THAT(Decoded(stored, DataType::kFloat32, {named}, fill), Are({stored[0], 1, kNan}));
  EXPECT_FALSE(DefaultFill(DataType::kInt8));
  EXPECT_FALSE(DefaultFill(DataType::kUInt8));
}

TEST(Fill, OfZeroCountsOnlyWhereNumbersArePacked) {
  EXPECT_THAT(Decoded<int16_t>({0, 2}, DataType::kInt16, {}, 0), Are({0, 2}));
  EXPECT_THAT(Decoded<int16_t>({0, 2}, DataType::kInt16, Scaled(0.5, 270, {}), 0), Are({kNan, 271}));
}

TEST(Packing, WhatCannotBeKnownIsAnError) {
  for (const Attribute& attribute :
       {Text("scale_factor", "two"), Numbers("scale_factor", DataType::kFloat64, {0}),
        Numbers("scale_factor", DataType::kFloat64, {1, 2}), Numbers("scale_factor", DataType::kFloat64, {kNan})}) {
    const auto packing = ParsePacking(std::vector{attribute}, DataType::kInt16, {});
    ASSERT_FALSE(packing);
    EXPECT_THAT(packing.error().message(), HasSubstr("scale_factor"));
  }
}

TEST(Attributes, FromJsonAsZarrKeepsThem) {
  const auto attributes = AttributesFromJson(
      R"({"scale_factor": 0.5, "valid_range": [-5, 5], "missing_value": "NaN", "_FillValue": "AAAAAAAA+H8=",
          "units": "K", "Infinity": "NaN", "actual_range": ["a", 1], "seamount": {"x": 1}, "none": null})");
  ASSERT_TRUE(attributes);
  const auto find = [&](const char* name) { return FindAttribute(*attributes, name); };
  EXPECT_EQ(find("scale_factor")->type, DataType::kFloat64);
  EXPECT_EQ(find("valid_range")->type, DataType::kInt64);
  EXPECT_THAT(find("valid_range")->numbers, ElementsAre(-5, 5));
  EXPECT_TRUE(std::isnan(find("missing_value")->numbers.at(0)));
  EXPECT_TRUE(std::isnan(find("_FillValue")->numbers.at(0)));
  EXPECT_EQ(TextOf(*attributes, "units"), "K");
  EXPECT_EQ(TextOf(*attributes, "Infinity"), "NaN");
  EXPECT_EQ(find("seamount"), nullptr);
  EXPECT_THAT(ParsePacking(*attributes, DataType::kFloat32, {})->missing, IsEmpty());
  EXPECT_FALSE(AttributesFromJson("[1]"));
  EXPECT_FALSE(AttributesFromJson("{"));
}

TEST(Attributes, NanIsNan) {
  const auto fill = [](double value) { return Numbers("_FillValue", DataType::kFloat32, {value}); };
  EXPECT_TRUE(SameValue(fill(kNan), fill(kNan)));
  EXPECT_FALSE(SameValue(fill(kNan), fill(1)));
}

TEST(Axis, ByUnitsBeforeNames) {
  EXPECT_EQ(AxisOf("x", std::vector{Text("units", "degrees_east")}), Axis::kLongitude);
  EXPECT_EQ(AxisOf("lat", {}), Axis::kLatitude);
  EXPECT_EQ(AxisOf("t", std::vector{Text("units", "hours since 1900-01-01")}), Axis::kTime);
  EXPECT_EQ(AxisOf("x", {}), Axis::kOther);
}

}  // namespace
}  // namespace seamount::cf
