#include "loader/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seamount::loader {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SamplesInsideTest, EveryLeadLiesInsideTheSelection) {
  struct Case {
    uint64_t begin, end;
    std::vector<int64_t> leads;
    uint64_t first, count;
  };
  const Case cases[] = {
      {0, 10, {0}, 0, 10},          {0, 10, {-2, -1, 0, 1}, 2, 7}, {3, 10, {-2, -1, 0, 1}, 5, 4},
      {0, 4, {-2, -1, 0, 1}, 2, 1}, {5, 10, {2, 3}, 3, 4},  // the sample itself lies before the selection
      {0, 10, {2}, 0, 8},                                   // but never before the array
      {4, 10, {-8}, 12, 6},                                 // or behind the selection
  };
  for (const Case& c : cases) {
    const auto samples = SamplesInside(c.begin, c.end, c.leads);
    ASSERT_TRUE(samples) << samples.error().message();
    EXPECT_EQ(samples->first, c.first);
    EXPECT_EQ(samples->count, c.count);
  }
}

TEST(SamplesInsideTest, TooLongAWindowIsAnError) {
  const auto samples = SamplesInside(0, 12, std::vector<int64_t>{-11, 0, 1});
  ASSERT_FALSE(samples);
  EXPECT_EQ(samples.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(samples.error().message(), HasSubstr("need 13 consecutive positions"));
  EXPECT_FALSE(SamplesInside(0, 10, std::vector<int64_t>{INT64_MAX}));
  EXPECT_FALSE(SamplesInside(0, 10, std::vector<int64_t>{INT64_MIN}));
  EXPECT_FALSE(SamplesInside(7, 3, std::vector<int64_t>{0}));
}

TEST(SamplesWithinTest, WindowsStayInsideEachRangeAndBetweenGaps) {
  const std::vector<int64_t> leads = {-2, 0, 1};
  const auto two = SamplesWithin({{40, 60}, {0, 20}}, {{0, 100}}, leads);
  ASSERT_TRUE(two);
  EXPECT_THAT(two->ranges(), ElementsAre(SampleRange{2, 17}, SampleRange{42, 17}));
  EXPECT_EQ(two->count(), 34u);
  EXPECT_EQ(two->Text(), "2+17,42+17");
  EXPECT_EQ(two->PositionOf(0), 2u);
  EXPECT_EQ(two->PositionOf(16), 18u);
  EXPECT_EQ(two->PositionOf(17), 42u);
  EXPECT_EQ(two->PositionOf(33), 58u);
  const SampleSet some = two->Within({{0, 3}, {10, 12}, {18, 43}, {90, 95}});
  EXPECT_THAT(some.ranges(),
              ElementsAre(SampleRange{2, 1}, SampleRange{10, 2}, SampleRange{18, 1}, SampleRange{42, 1}));
  EXPECT_EQ(some.PositionOf(3), 18u);
  EXPECT_THAT(some.Text(), testing::StartsWith("2+17,42+17 where "));
  EXPECT_NE(some.Text(), two->Within({{0, 3}, {10, 12}, {18, 43}}).Text());
  // Segments of 10, 3 and 27: the one of 3 has room for no window.
  const auto gaps = SamplesWithin({{0, 40}}, {{0, 10}, {10, 13}, {13, 40}}, leads);
  ASSERT_TRUE(gaps);
  EXPECT_THAT(gaps->ranges(), ElementsAre(SampleRange{2, 7}, SampleRange{15, 24}));
}

TEST(SamplesWithinTest, WhenNoneFitsTheErrorSaysWhyAndWhatHelps) {
  const auto gaps = SamplesWithin({{0, 12}}, {{0, 4}, {4, 8}, {8, 12}}, std::vector<int64_t>{-4, 0});
  ASSERT_FALSE(gaps);
  EXPECT_THAT(gaps.error().message(), HasSubstr("between the gaps"));
  EXPECT_THAT(gaps.error().message(), HasSubstr("has 4 positions"));
  EXPECT_THAT(gaps.error().message(), HasSubstr("need 5 consecutive positions"));
  EXPECT_THAT(gaps.error().message(), HasSubstr("across_gaps=True"));
  const auto overlap = SamplesWithin({{0, 5}, {4, 8}}, {{0, 12}}, std::vector<int64_t>{0});
  ASSERT_FALSE(overlap);
  EXPECT_THAT(overlap.error().message(), HasSubstr("0..5 and 4..8 overlap"));
}

}  // namespace
}  // namespace seamount::loader
