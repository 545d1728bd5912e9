#include "prepare/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "cf/axis.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/attributes.h"
#include "prepare/expression.h"
#include "prepare/layout.h"
#include "prepare/recipe.h"
#include "prepare/region_writer.h"
#include "prepare/slabs.h"
#include "prepare/testing/fake_dataset.h"

namespace seamount::prepare {
namespace {

using nd::Index;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

struct BadRecipe {
  const char* yaml;
  const char* expected;
};
class BadRecipes : public ::testing::TestWithParam<BadRecipe> {};
TEST_P(BadRecipes, NameLineAndNearest) {
  const FakeDataset dataset(Season);
  const auto plan = PlanOf(GetParam().yaml, dataset);
  ASSERT_FALSE(plan) << GetParam().yaml;
  EXPECT_EQ(plan.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(plan.error().message(), HasSubstr(GetParam().expected));
  EXPECT_THAT(plan.error().message(), HasSubstr("r.yaml"));
}
INSTANTIATE_TEST_SUITE_P(
    Table, BadRecipes,
    ::testing::Values(
        BadRecipe{"variable: [u]", "line 2: unknown key 'variable' in the recipe, did you mean 'variables'?"},
        BadRecipe{"variables: [u]\nanomaly: {over: train}", "line 3: 'anomaly' needs either"},
        BadRecipe{"variables: [u]\nanomaly: {climatology: month}", "'over'"},
        BadRecipe{"variables: [v]", "line 2: fake.nc has no variable 'v', did you mean 'u'?"},
        BadRecipe{"variables: [u, u]", "stands twice"},
        BadRecipe{"variables: [u]\nselect: {lev: 1}", "line 3: the source has no dimension 'lev'"},
        BadRecipe{"variables: [u]\nselect: {lat: {index: 9}}", "no index 9: its size is 3"},
        BadRecipe{"variables: [u]\nselect: {lat: 500}", "nothing near 500: its values go from -30 to 30"},
        BadRecipe{"variables: [u]\nbox: {latt: [0, 1]}", "no dimension 'latt', did you mean 'lat'?"},
        BadRecipe{"variables: [u]\nbox: {lon: [1e300, 0]}", "line 3: longitudes are degrees"},
        BadRecipe{"variables: [u]\nbox: {lat: [0, 30], latitude: [0, 30]}", "'lat' is cut twice"},
        BadRecipe{"variables: [u]\nselect: {time: {index: 1}}\ntime: [2000, 2001]",
                  "'select' leaves one step of 'time'"},
        BadRecipe{"variables: [u]\nminibatch: {batch: [1, 2]}", "'batch' must be a whole number"},
        BadRecipe{"variables: [3]", "put '3' in quotes"},
        BadRecipe{"variables: [u]\nvalid_range: some", "line 3: 'valid_range' must be apply (the default) or ignore"},
        BadRecipe{"variables: [u]\nderive: {}", "line 3: 'derive' is empty"},
        BadRecipe{"variables: [u]\ngaps: forbid", "'gaps' must be 'allow'"},
        BadRecipe{"variables: [u]\nbox: {lat: [50, 60]}", "nothing of 'lat' lies in [50, 60]"},
        BadRecipe{"variables: [u]\ntime: [1990, 1991]",
                  "no time step lies in [1990, 1991]: the data go from 2000-01-16"},
        BadRecipe{"variables: [u]\ntime: [2000-13, 2001]", "line 3: '2000-13' is not a date"},
        BadRecipe{"variables: [u]\nsplit: {train: [2000, 2001]}\nstandardize: {over: trai}",
                  "line 4: there is no split 'trai', did you mean 'train'?"},
        BadRecipe{"variables: [u]\nsplit: {train: [2000-01, 2000-06]}\nanomaly: {climatology: month, over: train}",
                  "no step in month 7"},
        BadRecipe{"variables: [u]\nchunks: {tim: 1}", "'tim', which the source does not have, did you mean 'time'?"},
        BadRecipe{"variables: [u]\ncodec: zst", "codec"},
        BadRecipe{"variables: [u]\nformat: 4", "line 3: 'format' must be 2 or 3"},
        BadRecipe{"derive: {speed: sqrt(u^2}", "line 2: the expression"},
        BadRecipe{"derive: {speed: sqrt(w)}", "no variable 'w'"},
        BadRecipe{"variables:\n- u\n- lat: {pack: [-90, 90]}",
                  "line 4: 'lat' is a coordinate, which is written as it is, and 'pack' is for variables (here: u)"},
        BadRecipe{"variables: [u, {lat: {dtype: float32}}]", "'dtype' is for variables"},
        BadRecipe{"variables: [u, {lon: {codec: none}}]", "'codec' is for variables"},
        BadRecipe{"variables: [u, {lat: {steps: [{scale: 2}]}}]", "'scale' is for variables"},
        BadRecipe{"variables: [u, {lat: {derive: lat + 1}}]", "give what is derived another name"},
        BadRecipe{"variables: [u\n", "line"}));

TEST(Plan, ACoordinateUnderAnotherNameIsAVariable) {
  const FakeDataset dataset(Season);
  const auto plan =
      PlanOf("variables: [u, lat, {lat_values: {from: lat, pack: [-90, 90]}}, {y: {from: lat}}]", dataset);
  ASSERT_TRUE(plan) << plan.error().ToString();
  ASSERT_EQ(plan->arrays.size(), 3);
  EXPECT_EQ(plan->arrays[1].name, "lat_values");
  EXPECT_EQ(plan->arrays[1].metadata.data_type, nd::DataType::kInt16);
  EXPECT_EQ(plan->arrays[2].name, "y");
  EXPECT_THAT(plan->arrays[2].metadata.dimension_names, ElementsAre("lat"));
}

TEST(Plan, BoxCrossesTheSeamAndRelabels) {
  const FakeDataset dataset(Season);
  const auto plan = PlanOf("variables: [u]\nbox: {lon: [-90, 90], lat: [-30, 0]}", dataset);
  ASSERT_TRUE(plan) << plan.error().ToString();
  const PlannedDimension& lon = plan->selection.Find("lon");
  EXPECT_THAT(lon.relabeled, ElementsAre(-90, 0, 90));
  ASSERT_EQ(lon.runs.size(), 2);
  EXPECT_EQ(lon.runs[0].start, 3);
  EXPECT_THAT(plan->arrays[0].metadata.shape, ElementsAre(36, 2, 3));
}

TEST(Plan, ABoxOnTimeCutsTheClimatologyToo) {
  const FakeDataset dataset(Season);
  const auto plan = PlanOf("variables: [u]\nbox: {time: [6, 29]}\nanomaly: {climatology: month, over: all}", dataset);
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ(plan->selection.time->moments.size(), 24);
  EXPECT_EQ(plan->basis->weights.size(), 24 * 12);
}

// Longitudes as files have them, boxes as people write them, and what is left.
struct LongitudeCase {
  std::vector<double> values;
  const char* box;
  std::vector<double> expected;
};
TEST(Plan, LongitudesGoRoundTheGlobe) {
  const LongitudeCase cases[] = {
      {{0, 90, 180, 270}, "[-180, 180]", {-90, 0, 90, 180}},
      {{-180, -90, 0, 90}, "[0, 360]", {0, 90, 180, 270}},
      {{-180, -90, 0, 90, 180}, "[-180, 180]", {-180, -90, 0, 90, 180}},
      {{0, 90, 180, 270, 360}, "[0, 360]", {0, 90, 180, 270, 360}},
      {{0, 90, 180, 270, 360}, "[-90, 90]", {-90, 0, 90}},  // the seam is there twice
      {{0, 90, 180, 270, 360}, "[0, 180]", {0, 90, 180}},
      {{360, 270, 180, 90, 0}, "[-90, 90]", {90, 0, -90}},
      {{270, 180, 90, 0}, "[-90, 90]", {90, 0, -90}},
      {{0, 90, 180, 270}, "[350, 100]", {360, 450}},
      {{0, 90, 180, 270}, "[-10, -5]", {}},
      {{0, 180}, "[-180, 179.9]", {-180, 0}},  // however coarse the grid, 179.9 is not 180
      {{20.1666667, 140, 260, 380.1666307}, "[0, 180]", {20.1666667, 140}},  // a seam, after 1,080 steps of 1/3
  };
  for (const LongitudeCase& c : cases) {
    SourceFacts facts;
    facts.files = {{.path = "fake.nc"}};
    facts.dimensions = {{"lon", c.values.size(), false}};
    source::Variable lon{.name = "lon", .type = nd::DataType::kFloat64, .dimensions = {"lon"}};
    facts.variables = {lon};
    facts.coordinates = {{.variable = 0, .axis = cf::Axis::kLongitude, .values = c.values}};
    const auto recipe = ParseRecipe(std::string("source: x\nvariables: [u]\nbox: {lon: ") + c.box + "}", "r.yaml");
    const auto plan = PlanSelection(*recipe, facts);
    ASSERT_EQ(plan.has_value(), !c.expected.empty()) << c.box;
    if (!plan) continue;
    std::vector<double> labels = plan->dimensions[0].relabeled;
    for (const IndexRun& run : plan->dimensions[0].runs) {
      if (!plan->dimensions[0].relabeled.empty()) break;
      for (uint64_t i = run.start; i < run.start + run.count; ++i) labels.push_back(c.values[i]);
    }
    EXPECT_EQ(labels, c.expected) << c.box;
    EXPECT_EQ(plan->dimensions[0].size, c.expected.size()) << c.box;
  }
}

TEST(Plan, FingerprintsFollowWhatARegionDependsOn) {
  const FakeDataset dataset(Season);
  const std::string base = "variables: [u]\nchunks: {time: 6}\nsplit: {train: [2000, 2001]}\n";
  const auto a = PlanOf(base, dataset);
  const auto b = PlanOf(base + "# a remark\nstandardize: {over: train}\n", dataset);
  const auto c = PlanOf(base + "anomaly: {climatology: month, over: train}\n", dataset);
  ASSERT_TRUE(a && b && c);
  ASSERT_EQ(a->tasks.size(), 6);
  EXPECT_NE(a->fingerprint, b->fingerprint);
  EXPECT_NE(a->tasks[0].fingerprint, a->tasks[1].fingerprint);
  EXPECT_EQ(a->tasks[0].fingerprint, b->tasks[0].fingerprint) << "a changed normalisation rewrites nothing";
  EXPECT_NE(a->tasks[0].fingerprint, c->tasks[0].fingerprint);
}

TEST(Plan, UnitsAreWhatTheStepsMakeOfTheSources) {
  const FakeDataset dataset(Season);
  for (const char* anomaly : {"", "split: {train: [2000, 2001]}\nanomaly: {harmonics: 1, over: train}\n"}) {
    const auto plan = PlanOf(
        "variables: [u]\nderive: {w: u^2, e: {expression: u^2, units: m2 s-2}}\n" + std::string(anomaly), dataset);
    ASSERT_TRUE(plan) << plan.error().ToString();
    std::map<std::string, std::string> units;
    for (const DataArray& array : plan->arrays) units[array.name] = TextIn(array.metadata.attributes_json, "units");
    EXPECT_THAT(units, ElementsAre(Pair("e", "m2 s-2"), Pair("u", "m/s"), Pair("w", "")));
  }
}

TEST(Layout, ChunksFollowTheMinibatch) {
  LayoutRequest request{.dimensions = {"time", "lat", "lon"}, .shape = {132, 73, 144}, .sample_dimension = 0};
  request.minibatch = Minibatch{{-11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0}, {1}, 16};
  request.shape = {5000, 721, 1440};
  const Layout large = SolveLayout(request);
  EXPECT_THAT(large.chunk, ElementsAre(1, 721, 1440)) << large.reason;
  request.before = {{4, 721, 1440}, {}, true};
  EXPECT_THAT(SolveLayout(request).chunk, ElementsAre(4, 721, 1440)) << "the same minibatch keeps what lies there";
  request.before->same_minibatch = false;
  EXPECT_EQ(SolveLayout(request).chunk, large.chunk);
  request.before.reset();
  request.minibatch->patches = {{"lat", 64, 1}, {"lon", 64, 1}};
  const Layout patches = SolveLayout(request);
  EXPECT_LE(patches.chunk[1], 128) << patches.reason;
  EXPECT_LE(patches.chunk[2], 128) << patches.reason;
  request.minibatch->patches.clear();
  request.shape = {10, 721, 1440};
  EXPECT_THAT(SolveLayout(request).reason, HasSubstr("no sample of the minibatch fits"));
  request.shape = {1000, 7210, 14400};
  const Layout split = SolveLayout(request);
  EXPECT_LE(nd::Elements(split.chunk) * 4, 32 << 20);
  request.chunks = {{"time", 5, 1}};
  EXPECT_THAT(SolveLayout(request).chunk, ElementsAre(5, 7210, 14400));
  request.chunks.clear();
  request.minibatch.reset();
  request.shape = {100, 180, 360};
  request.source_chunk = {10, 180, 360};
  EXPECT_THAT(SolveLayout(request).chunk, ElementsAre(10, 180, 360)) << "source chunks pass through";
  request.shape = {0, 180, 360};
  EXPECT_THAT(SolveLayout(request).chunk, ElementsAre(1, 180, 360));
}

TEST(Layout, ASingleNumberIsOneChunk) {
  const Layout layout = SolveLayout({});  // such as a grid mapping's variable
  EXPECT_TRUE(layout.chunk.empty());
  EXPECT_FALSE(layout.shard);
}

TEST(Layout, TasksCoverSourceChunksWithinALimit) {
  EXPECT_THAT(TaskShape({100, 80, 80}, {1, 80, 80}, {10, 80, 80}, 4), ElementsAre(10, 80, 80));
  EXPECT_THAT(TaskShape({100, 80, 80}, {10, 80, 80}, {1, 80, 80}, 4), ElementsAre(10, 80, 80));
  EXPECT_THAT(TaskShape({100, 80, 80}, {3, 80, 80}, {10, 80, 80}, 4), ElementsAre(12, 80, 80));
  const Index task = TaskShape({10000, 721, 1440}, {10000, 10, 10}, {1, 721, 1440}, 4);
  EXPECT_EQ(task[0], 10000);
  EXPECT_LE(nd::Elements(task) * 4, 64 << 20);
}

TEST(Slabs, CutTheOutputWhereSourceChunksEnd) {
  const FakeDataset dataset(Season);
  const auto plan = PlanOf("variables: [u]\nbox: {lon: [-90, 90]}\nchunks: {lat: 2, lon: 2}\n", dataset);
  ASSERT_TRUE(plan);
  const SlabGrid one(*plan, 0, 1);
  EXPECT_EQ(one.edges(0).size(), 37) << "the source's chunks are one step";
  EXPECT_THAT(one.edges(1), ElementsAre(0, 3));
  EXPECT_THAT(one.edges(2), ElementsAre(0, 1, 3)) << "the seam is an edge";
  const SlabGrid some(*plan, 0, 5 * 12);
  EXPECT_THAT(some.edges(0), ElementsAre(0, 6, 12, 18, 24, 30, 36)) << "six steps of nine";
  Plan joined = *plan;
  joined.arrays[0].source_chunk[0] = 10;
  for (PlannedDimension& dimension : joined.selection.dimensions) {
    if (dimension.name == "time") dimension.joins = {0, 14, 28};
  }
  EXPECT_THAT(SlabGrid(joined, 0, 1).edges(0), ElementsAre(0, 10, 14, 24, 28, 36)) << "chunks begin anew in each file";
  uint64_t elements = 0;
  const nd::Box region{{3, 1, 0}, {9, 2, 3}};
  ASSERT_TRUE(some.ForEach(region, [&](const nd::Box& slab) -> Result<void> {
    elements += nd::Elements(slab.shape);
    return {};
  }));
  EXPECT_EQ(elements, nd::Elements(region.shape));
  EXPECT_EQ(some.Count(region), 2 * 2);
}

TEST(Expression, EvaluatesAndKeepsNan) {
  auto expression = Expression::Parse("sqrt(u^2 + v^2)");
  ASSERT_TRUE(expression);
  EXPECT_THAT(expression->names(), ElementsAre("u", "v"));
  const std::vector<double> u = {3, NAN};
  const std::vector<double> v = {4, 1};
  const std::span<const double> inputs[] = {u, v};
  std::vector<double> out(2);
  ASSERT_TRUE(expression->Evaluate(inputs, out));
  EXPECT_EQ(out[0], 5);
  EXPECT_TRUE(std::isnan(out[1]));
  auto compared = Expression::Parse("u > v");
  ASSERT_TRUE(compared && compared->Evaluate(inputs, out));
  EXPECT_EQ(out[0], 0);
  EXPECT_TRUE(std::isnan(out[1])) << "what is made of a missing value is missing";
  EXPECT_FALSE(Expression::Parse("1, 2"));
  EXPECT_FALSE(Expression::Parse(""));
}

}  // namespace
}  // namespace seamount::prepare
