#include "prepare/steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "prepare/execute.h"
#include "prepare/testing/fake_dataset.h"
#include "store/memory/memory_store.h"

namespace seamount::prepare {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Steps, SchemaSaysWhatTheTableSays) {
  const auto schema = nlohmann::json::parse(RecipeSchema());
  EXPECT_EQ(schema.at("$defs").value("step", nlohmann::json()), nlohmann::json::parse(StepSchema())) << StepSchema();
}

struct Refusal {
  const char* recipe;
  const char* message;
};
class RefusedSteps : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedSteps, SayWhereAndWhy) {
  const FakeDataset dataset(Season);
  const auto plan = PlanOf(GetParam().recipe, dataset);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(plan.error().message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Recipes, RefusedSteps,
    testing::Values(
        Refusal{"variables: [u]\nsteps: [{clipp: [0, 1]}]", "line 3: there is no step 'clipp', did you mean 'clip'?"},
        Refusal{"variables:\n- u: {steps: [{clip: [3, 1]}]}",
                "line 3: the step 'clip' of 'u': the range goes backwards"},
        Refusal{"variables:\n- u: {steps: [{clip: 3}]}", "line 3: 'range' must be [from, to]"},
        Refusal{"variables:\n- u: {selekt: {lat: 0}}", "line 3: unknown key 'selekt'"},
        Refusal{"variables:\n- u: {select: {lat: 20}}", "'lat' has no 20: it has 30, 0, -30"},
        Refusal{"variables:\n- u: {select: {latt: 20}}", "there is no dimension 'latt', did you mean 'lat'?"},
        Refusal{"variables:\n- w: {from: v}", "has no variable 'v'"},
        Refusal{"variables:\n- a: {derive: b + u}\n- b: {derive: a + u}", "is made of itself"},
        Refusal{"variables:\n- u: {from: u, derive: 2 * u}", "either taken 'from' a variable or by 'derive'"},
        Refusal{"variables:\n- u: {steps: [{resample: fortnight}]}", "'fortnight' is no period"},
        Refusal{"variables:\n- u: {steps: [{resample: year}]}\n- v: {from: u}",
                "has other places along 'time' than 'u'"},
        Refusal{"variables:\n- u: {steps: [{regrid: {to: {lat: [0, 9, -1]}, method: nearest}}]}",
                "do not lead from 0 to 9"},
        Refusal{"variables:\n- u: {steps: [{regrid: {to: {lat: [-95, 0, 5]}, method: nearest}}]}", "no latitude -95"},
        Refusal{"variables:\n- u: {steps: [{regrid: {to: {time: [0, 9, 1]}, method: nearest}}]}",
                "neither latitude nor longitude"},
        Refusal{"variables:\n- u: {steps: [{fill: {along: time}}]}", "needs 'reach'"},
        Refusal{"variables:\n- u: {steps: [log1p, {mask: {}}]}", "needs either 'by'"},
        Refusal{"variables: [u]\nsteps: [{time: {months: [13]}}]", "must be a whole number from 1 to 12"},
        Refusal{"variables: [u]\ntime: {monts: [1]}", "unknown key 'monts'"}));

// The values of a variable of 36 months, as they would be written.
std::vector<double> Values(const std::string& yaml, const source::Dataset& dataset) {
  const auto planned = PlannedOf(yaml, dataset);
  EXPECT_TRUE(planned) << planned.error().message();
  if (!planned) return {};
  const DataArray& array = planned->plan.arrays[0];
  const auto made = planned->made.facts.MadeOf(array.input);
  const nd::Index shape = made->grid().shape();
  std::vector<double> values(nd::Elements(shape));
  EXPECT_TRUE(made->Read({nd::Index(shape.size(), 0), shape}, values));
  return values;
}

float Month(uint64_t t, uint64_t, uint64_t x) { return static_cast<float>(t) + 0.25F * static_cast<float>(x); }

TEST(Steps, SeasonsKeepTheirGaps) {
  const FakeDataset dataset(Month);
  const auto plan = PlanOf("variables: [u]\ntime: {months: [12, 1, 2]}\n", dataset);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_THAT(plan->arrays[0].metadata.shape, ElementsAre(9, 3, 4));
  EXPECT_THAT(plan->selection.time->segments, ElementsAre(Stretch{0, 2}, Stretch{2, 5}, Stretch{5, 8}, Stretch{8, 9}));
}

TEST(Steps, WindowsDoNotReachOverWhatWasLeftOut) {
  const FakeDataset dataset(Month);
  const auto values = Values(
      "variables:\n- u: {select: {lat: 0, lon: 0}, time: {months: [12, 1, 2]}, "
      "steps: [{rolling: 2}]}",
      dataset);
  using ::testing::Eq;
  using ::testing::IsNan;
  EXPECT_THAT(values, ElementsAre(IsNan(), Eq(0.5), IsNan(), Eq(11.5), Eq(12.5), IsNan(), Eq(23.5), Eq(24.5), IsNan()));
}

TEST(Steps, LevelsBecomeVariables) {
  const FakeDataset dataset(Month);
  const auto plan = PlanOf("variables:\n- w: {from: u, select: {lat: [30, -30]}, levels: variables}\n", dataset);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan->arrays[0].name, "w_30");
  EXPECT_EQ(plan->arrays[1].name, "w_-30");
  EXPECT_THAT(plan->arrays[1].metadata.shape, ElementsAre(36, 4));
  EXPECT_THAT(plan->arrays[1].metadata.attributes_json, HasSubstr("\"lat\":-30"));
}

// What stands is kept where only other variables, other months, or how it is written has changed.
TEST(Steps, OnlyWhatDependsOnAChangeIsMadeAgain) {
  struct Change {
    const char* before;
    const char* after;
    size_t rewritten;  // of the regions after
  };
  const std::string more = "chunks: {time: 6}\n";
  for (const Change& change : std::vector<Change>{
           {"variables:\n- u: {steps: [{clip: [0, 5]}]}\n", "variables:\n- u: {steps: [{clip: {range: [0, 5]}}]}\n", 0},
           {"variables:\n- u: {steps: [{clip: [0, 5]}]}\n", "variables:\n- u: {steps: [{clip: [0, 6]}]}\n", 6},
           {"variables:\n- u\n- w: {derive: u^2}\n", "variables:\n- u\n- w: {derive: u^2}\n- x: {derive: w + 1}\n", 6},
           {"variables:\n- u\n- w: {derive: u^2}\n", "variables:\n- u\n- w: {derive: u ^ 2, units: m2 s-2}\n", 0},
           {"variables:\n- u\n- w: {derive: u^2}\n", "variables:\n- u: {codec: zstd:1}\n- w: {derive: u^2}\n", 6},
           {"variables:\n- w: {derive: u^2}\ntime: [2000, 2001-06]\n",
            "variables:\n- w: {derive: u^2}\ntime: [2000, 2001-12]\n", 1},
           {"variables:\n- u: {steps: [{rolling: 3}]}\ntime: [2000, 2001-06]\n",
            "variables:\n- u: {steps: [{rolling: 3}]}\ntime: [2000, 2001-12]\n", 1},
       }) {
    const FakeDataset dataset(Month);
    const auto before = PlanOf(change.before + more, dataset);
    const auto after = PlanOf(change.after + more, dataset);
    ASSERT_TRUE(before && after);
    std::set<std::string> there;
    for (const Task& task : before->tasks) there.insert(task.fingerprint);
    size_t rewritten = 0;
    for (const Task& task : after->tasks) rewritten += there.contains(task.fingerprint) ? 0 : 1;
    EXPECT_EQ(rewritten, change.rewritten) << change.before << " → " << change.after;
  }
}

}  // namespace
}  // namespace seamount::prepare
