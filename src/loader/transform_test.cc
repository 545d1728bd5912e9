#include "loader/transform.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace seamount::loader {
namespace {

using nd::DataType;

template <class T>
std::vector<float> Apply(DataType type, const Transform& transform, const std::vector<T>& stored) {
  std::vector<float> out(stored.size());
  TransformRun(type, transform, reinterpret_cast<const std::byte*>(stored.data()), 1, out.data(), out.size());
  return out;
}

TEST(TransformTest, IdentityKeepsBits) {
  const std::vector<float> stored = {0.0f, -0.0f, 1.5f, std::numeric_limits<float>::infinity(), 1e-40f};
  const auto out = Apply(DataType::kFloat32, {}, stored);
  EXPECT_EQ(std::memcmp(out.data(), stored.data(), sizeof(float) * out.size()), 0);
}

TEST(TransformTest, EveryTypeArrives) {
  EXPECT_EQ(Apply<uint8_t>(DataType::kBool, {}, {0, 1}), (std::vector<float>{0, 1}));
  EXPECT_EQ(Apply<int8_t>(DataType::kInt8, {}, {-128, 127}), (std::vector<float>{-128, 127}));
  EXPECT_EQ(Apply<uint8_t>(DataType::kUInt8, {}, {0, 255}), (std::vector<float>{0, 255}));
  EXPECT_EQ(Apply<int16_t>(DataType::kInt16, {}, {-32768, 32767}), (std::vector<float>{-32768, 32767}));
  EXPECT_EQ(Apply<uint16_t>(DataType::kUInt16, {}, {65535}), (std::vector<float>{65535}));
  EXPECT_EQ(Apply<int32_t>(DataType::kInt32, {}, {-70000, 70000}), (std::vector<float>{-70000, 70000}));
  EXPECT_EQ(Apply<uint32_t>(DataType::kUInt32, {}, {70000}), (std::vector<float>{70000}));
  EXPECT_EQ(Apply<int64_t>(DataType::kInt64, {}, {-70000}), (std::vector<float>{-70000}));
  EXPECT_EQ(Apply<uint64_t>(DataType::kUInt64, {}, {70000}), (std::vector<float>{70000}));
  EXPECT_EQ(Apply<double>(DataType::kFloat64, {}, {0.1}), (std::vector<float>{0.1f}));
  // 1, -2, the largest, the smallest normal and subnormal, infinity
  EXPECT_EQ(Apply<uint16_t>(DataType::kFloat16, {}, {0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x7C00}),
            (std::vector<float>{1, -2, 65504, 0x1p-14f, 0x1p-24f, std::numeric_limits<float>::infinity()}));
  EXPECT_TRUE(std::isnan(Apply<uint16_t>(DataType::kFloat16, {}, {0x7E00})[0]));
}

TEST(TransformTest, MissingBecomesNaN) {
  const auto packed =
      Apply<int16_t>(DataType::kInt16, {.shift = 10, .factor = 0.5, .missing = {-999, 7}}, {-999, 7, 12});
  EXPECT_TRUE(std::isnan(packed[0]));
  EXPECT_TRUE(std::isnan(packed[1]));
  EXPECT_EQ(packed[2], 1.0f);
  // -9999.9 is not a float32; the attribute is compared as the data hold it.
  const auto floats = Apply<float>(DataType::kFloat32, {.missing = {-9999.9}}, {-9999.9f, 2.0f});
  EXPECT_TRUE(std::isnan(floats[0]));
  EXPECT_EQ(floats[1], 2.0f);
}

TEST(TransformTest, OutsideTheValidRangeIsMissing) {
  const Transform transform{.shift = 10, .factor = 0.5, .missing = {12}, .valid_min = 11, .valid_max = 14};
  const auto out = Apply<int16_t>(DataType::kInt16, transform, {10, 11, 12, 14, 15});
  for (const size_t i : {0, 2, 4}) EXPECT_TRUE(std::isnan(out[i])) << i;
  EXPECT_EQ(out[1], 0.5F);
  EXPECT_EQ(out[3], 2.0F);
}

TEST(TransformTest, NothingIsLostNearTheMean) {
  // Pressure: mean 101325.123, standard deviation 3. Plain float32 arithmetic would be off by a thousandth.
  const double mean = 101325.123;
  std::vector<float> stored;
  for (int i = -100; i <= 100; ++i) stored.push_back(static_cast<float>(mean + 0.1 * i));
  const auto out = Apply(DataType::kFloat32, {.shift = mean, .factor = 1 / 3.0}, stored);
  for (size_t i = 0; i < stored.size(); ++i) EXPECT_NEAR(out[i], (static_cast<double>(stored[i]) - mean) / 3.0, 2e-6);
}

TEST(TransformTest, Strided) {
  const std::vector<int16_t> stored = {1, 0, 0, 2, 0, 0, 3};
  std::vector<float> out(3);
  TransformRun(DataType::kInt16, {.missing = {2}}, reinterpret_cast<const std::byte*>(stored.data()), 3, out.data(), 3);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_TRUE(std::isnan(out[1]));
  EXPECT_EQ(out[2], 3.0f);
}

TEST(TransformBoxTest, PastTheCacheTheSameIsWritten) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    const uint64_t rows = 1 + random() % 3;
    const uint64_t columns = 1 + random() % 9000;
    const uint64_t stride = columns + random() % 5;
    const uint64_t shift = random() % 7;  // so that runs begin anywhere in a register's width
    std::vector<int16_t> from(rows * stride);
    for (auto& value : from) value = static_cast<int16_t>(random());
    const Transform transform{.shift = 3.25, .factor = 0.1, .missing = {from[0] + 0.0}};
    const std::vector<CopyLoop> loops = {{rows, stride, stride}, {columns, 1, 1}};
    std::vector<std::vector<float>> to(2, std::vector<float>(shift + rows * stride, -1.0f));
    for (const Written written : {Written::kIntoCache, Written::kPastCache}) {
      const Target target{.data = reinterpret_cast<std::byte*>(to[written == Written::kPastCache].data() + shift),
                          .written = written};
      EXPECT_TRUE(TransformBox(nd::DataType::kInt16, transform, reinterpret_cast<const std::byte*>(from.data()), target,
                               loops));
    }
    EXPECT_EQ(std::memcmp(to[0].data(), to[1].data(), to[0].size() * sizeof(float)), 0) << "round " << round;
  }
}

TEST(TransformBoxTest, MissingValuesAreFilledAndMarked) {
  const std::vector<double> from = {1, 2, 3, std::nan(""), 5, 2};
  for (const Written written : {Written::kIntoCache, Written::kPastCache}) {
    std::vector<double> to(6, -7);
    std::vector<uint8_t> mask(6, 9);
    const Target target{.dtype = DataType::kFloat64,
                        .data = reinterpret_cast<std::byte*>(to.data()),
                        .mask = mask.data(),
                        .fill = 0.25,
                        .written = written};
    EXPECT_TRUE(TransformBox(DataType::kFloat64, {.missing = {2}}, reinterpret_cast<const std::byte*>(from.data()),
                             target, std::vector<CopyLoop>{{2, 3, 3}, {3, 1, 1}}));
    EXPECT_EQ(to, (std::vector<double>{1, 0.25, 3, 0.25, 5, 0.25}));
    EXPECT_EQ(mask, (std::vector<uint8_t>{0, 1, 0, 1, 0, 1}));
  }
  std::vector<float> to(2);
  EXPECT_FALSE(TransformBox(DataType::kFloat64, {}, reinterpret_cast<const std::byte*>(from.data()),
                            {.data = reinterpret_cast<std::byte*>(to.data())}, std::vector<CopyLoop>{{2, 1, 1}}));
  EXPECT_EQ(to, (std::vector<float>{1, 2}));
}

// By search: the 16 bits nearest to a number, in double precision.
TEST(TransformBoxTest, SixteenBitsAreTheNearest) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<float> values = {0.0f,
                               -0.0f,
                               65504.0f,
                               65519.9f,
                               65520.0f,
                               0x1p-24f,
                               0x1p-25f,
                               0x1.8p-24f,
                               1.0f,
                               -2.5f,
                               std::numeric_limits<float>::infinity(),
                               0x1.004p0f,
                               0x1.00cp0f,
                               0x1p-14f,
                               0x1.ffcp-15f};
  for (int i = 0; i < 3000; ++i) {
    values.push_back(
        std::ldexp(static_cast<float>(random() % 20001) / 10000 - 1, static_cast<int>(random() % 44) - 27));
  }
  for (const bool brain : {false, true}) {
    std::vector<uint16_t> got(values.size());
    const Target target{
        .dtype = DataType::kFloat16, .bfloat16 = brain, .data = reinterpret_cast<std::byte*>(got.data())};
    const CopyLoop loop{values.size(), 1, 1};
    EXPECT_FALSE(
        TransformBox(DataType::kFloat32, {}, reinterpret_cast<const std::byte*>(values.data()), target, {&loop, 1}));
    const auto value_of = [&](uint16_t bits) -> double {
      if (brain) return std::bit_cast<float>(uint32_t{bits} << 16);
      float value = 0;
      TransformRun(DataType::kFloat16, {}, reinterpret_cast<const std::byte*>(&bits), 1, &value, 1);
      return value;
    };
    for (size_t i = 0; i < values.size(); ++i) {
      const double exact = values[i];
      const double back = value_of(got[i]);
      EXPECT_EQ(std::signbit(back), std::signbit(exact));
      if (std::isinf(back)) {
        EXPECT_GE(std::abs(exact), brain ? 0x1.ffp127 : 65520.0);
        continue;
      }
      for (const int step : {-1, 1}) {
        const uint32_t other = (got[i] & 0x7FFFu) + static_cast<uint32_t>(step);
        if (other > 0x7FFFu) continue;
        const double neighbour = std::abs(value_of(static_cast<uint16_t>(other)));
        if (std::isinf(neighbour) || std::isnan(neighbour)) continue;
        const double here = std::abs(std::abs(back) - std::abs(exact));
        const double there = std::abs(neighbour - std::abs(exact));
        EXPECT_TRUE(here < there || (here == there && got[i] % 2 == 0)) << exact << " became " << back;
      }
    }
  }
}

TEST(TransformBoxTest, MissingValuesInSixteenBitsAndKeptIntegers) {
  const std::vector<float> values = {1.5f, std::numeric_limits<float>::quiet_NaN(), -3};
  std::vector<uint16_t> got(3);
  std::vector<uint8_t> mask(3, 7);
  const CopyLoop loop{3, 1, 1};
  Target target{
      .dtype = DataType::kFloat16, .data = reinterpret_cast<std::byte*>(got.data()), .mask = mask.data(), .fill = 2.0};
  EXPECT_TRUE(
      TransformBox(DataType::kFloat32, {}, reinterpret_cast<const std::byte*>(values.data()), target, {&loop, 1}));
  EXPECT_EQ(got, (std::vector<uint16_t>{0x3E00, 0x4000, 0xC200}));
  EXPECT_EQ(mask, (std::vector<uint8_t>{0, 1, 0}));
  for (const bool brain : {false, true}) {
    target = {.dtype = DataType::kFloat16, .bfloat16 = brain, .data = reinterpret_cast<std::byte*>(got.data())};
    EXPECT_TRUE(
        TransformBox(DataType::kFloat32, {}, reinterpret_cast<const std::byte*>(values.data()), target, {&loop, 1}));
    EXPECT_GT(got[1] & 0x7FFF, brain ? 0x7F80 : 0x7C00);
  }
  const std::vector<int16_t> stored = {-5, 300, -32767};
  std::vector<int64_t> wide(3);
  target = {.dtype = DataType::kInt64, .data = reinterpret_cast<std::byte*>(wide.data())};
  EXPECT_FALSE(TransformBox(DataType::kInt16, {.missing = {-32767}}, reinterpret_cast<const std::byte*>(stored.data()),
                            target, {&loop, 1}));
  EXPECT_EQ(wide, (std::vector<int64_t>{-5, 300, -32767}));
  EXPECT_TRUE(KeepsIntegers(DataType::kInt16, {}, DataType::kInt16));
  EXPECT_TRUE(KeepsIntegers(DataType::kUInt8, {}, DataType::kInt16));
  EXPECT_FALSE(KeepsIntegers(DataType::kUInt16, {}, DataType::kInt16));
  EXPECT_FALSE(KeepsIntegers(DataType::kInt8, {}, DataType::kUInt16));
  EXPECT_FALSE(KeepsIntegers(DataType::kInt64, {}, DataType::kInt32));
  EXPECT_FALSE(KeepsIntegers(DataType::kInt16, {.factor = 0.1}, DataType::kInt16));
  EXPECT_FALSE(KeepsIntegers(DataType::kFloat32, {}, DataType::kInt32));
}

}  // namespace
}  // namespace seamount::loader
