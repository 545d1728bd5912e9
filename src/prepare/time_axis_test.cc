// Order, gaps, splits, and what else is said or refused before anything is read.
#include "prepare/time_axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cf/calendar.h"
#include "prepare/testing/fake_dataset.h"

namespace seamount::prepare {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr cf::Moment kDay = cf::kDayMicroseconds;

// Days as an axis; `files`: how many steps each of the joined files holds.
Result<std::vector<Stretch>> Segments(const std::vector<int>& days, const std::vector<uint64_t>& files = {},
                                      const std::string& more = "") {
  const auto recipe = ParseRecipe("source: x\nvariables: [u]\n" + more, "r.yaml");
  SourceFacts facts;
  uint64_t start = 0;
  for (const uint64_t count : files) {
    facts.files.push_back({.path = "part" + std::to_string(facts.files.size()) + ".nc",
                           .join_dimension = "time",
                           .join_start = start,
                           .join_count = count});
    start += count;
  }
  if (files.empty()) facts.files.push_back({.path = "one.nc"});
  TimeAxis axis{.dimension = "time"};
  for (const int day : days) axis.moments.push_back(day * kDay);
  SEAMOUNT_TRY(CheckOrder(*recipe, facts, "time", axis.calendar, axis.moments));
  SEAMOUNT_TRY(FindSegments(*recipe, facts, 0, std::nullopt, axis));
  return axis.segments;
}

std::string ErrorOf(const Result<std::vector<Stretch>>& segments) {
  return segments ? "" : std::string(segments.error().message());
}

TEST(TimeAxis, GapsWithinFilesAndBetweenThemAreRefusedOrNoted) {
  const std::vector<int> hole = {0, 1, 2, 3, 10, 11, 12, 13};
  EXPECT_THAT(ErrorOf(Segments(hole)), HasSubstr("'time' of one.nc: steps are missing between 0000-01-06"));
  EXPECT_THAT(ErrorOf(Segments(hole, {4, 4})), HasSubstr("joining part1.nc to part0.nc"));
  for (const std::vector<uint64_t>& files : {std::vector<uint64_t>{}, {4, 4}, {2, 6}}) {
    EXPECT_THAT(*Segments(hole, files, "gaps: allow"), ElementsAre(Stretch{0, 4}, Stretch{4, 8}));
  }
  EXPECT_THAT(*Segments({0, 31, 59, 90, 120, 151}), ElementsAre(Stretch{0, 6})) << "months";
  EXPECT_THAT(*Segments({0, 1, 5, 6, 20, 50, 51}), ElementsAre(Stretch{0, 7})) << "irregular: there is no usual step";
  EXPECT_THAT(*Segments({5}), ElementsAre(Stretch{0, 1}));
  EXPECT_THAT(*Segments({}), IsEmpty());
}

TEST(TimeAxis, TimesThatRepeatOrGoBackAreRefusedOrNoted) {
  const std::vector<int> twice = {0, 1, 2, 2, 3, 1, 2};
  EXPECT_THAT(ErrorOf(Segments(twice)), HasSubstr("of one.nc are not in order: 0000-01-05T00:00:00 comes after"));
  EXPECT_THAT(ErrorOf(Segments(twice, {}, "gaps: allow")), HasSubstr("'disorder: allow'"));
  EXPECT_THAT(*Segments(twice, {}, "disorder: allow"), ElementsAre(Stretch{0, 3}, Stretch{3, 5}, Stretch{5, 7}));
}

TEST(TimeAxis, SplitsThatShareStepsOrReachOutsideAreSaid) {
  const FakeDataset dataset(Season);
  const auto notes = [&](const std::string& splits) {
    const auto plan = PlanOf("variables: [u]\nsplit: {" + splits + "}\n", dataset);
    return plan ? plan->notes : std::vector<std::string>{std::string(plan.error().message())};
  };
  EXPECT_THAT(notes("train: [2000, 2001], test: [2002, 2002]"), IsEmpty());
  EXPECT_THAT(notes("train: [2000, 2001-06], test: [2001, 2002]"),
              ElementsAre("the splits 'train' and 'test' share 6 steps"));
  EXPECT_THAT(notes("train: [1990, 2001]"), ElementsAre(HasSubstr("'train' [1990, 2001] reaches outside the data")));
  EXPECT_THAT(notes("train: [2002, 2000]"), ElementsAre(HasSubstr("[2002, 2000] goes backwards")));
}

TEST(TimeAxis, AMinibatchThatNoDataCanFillIsRefused) {
  const FakeDataset dataset(Season);
  const auto planned = [&](const std::string& minibatch) {
    return PlanOf("variables: [u]\nsplit: {train: [2000, 2001], test: [2002, 2002]}\nminibatch: " + minibatch, dataset);
  };
  const auto refused = planned("{inputs: 4000}");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("needs 4001 steps in a row, and there are 36"));
  EXPECT_THAT(planned("{inputs: 14}")->notes, ElementsAre(HasSubstr("split 'test': it needs 15 steps in a row")));
  EXPECT_TRUE(planned("{inputs: [-12, -1, 0], targets: [1]}"));
  EXPECT_FALSE(planned("{inputs: [-40, 0]}"));
}

TEST(TimeAxis, HarmonicsNeedAWholeYear) {
  const FakeDataset dataset(Season);
  const auto planned = [&](const std::string& split) {
    return PlanOf("variables: [u]\nsplit: {train: " + split + "}\nanomaly: {harmonics: 2, over: train}", dataset);
  };
  EXPECT_TRUE(planned("[2000, 2000]"));
  const auto refused = planned("[2000-01, 2000-08]");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("line 4: harmonics need a whole year at least"));
}

TEST(Select, TakesWhatIsThereOrSaysWhatIs) {
  const FakeDataset dataset(Season);
  const auto refused = PlanOf("variables: [u]\nselect: {lat: 20}", dataset);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("no 20: it has 30, 0, -30 (to have the nearest: {lat: {value: 20, "));
  const auto nearest = PlanOf("variables: [u]\nselect: {lat: {value: 20, method: nearest}}", dataset);
  ASSERT_TRUE(nearest) << nearest.error().ToString();
  EXPECT_EQ(nearest->selection.Find("lat").runs[0].start, 0);
  EXPECT_THAT(nearest->notes, Contains("of 'lat' the value 30 is taken, the nearest to 20"));
  EXPECT_TRUE(PlanOf("variables: [u]\nselect: {lat: 30, lon: -90}", dataset)->notes.empty());
}

}  // namespace
}  // namespace seamount::prepare
