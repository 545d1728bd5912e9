#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "prepare/documents.h"
#include "prepare/execute.h"
#include "prepare/expression.h"
#include "prepare/layout.h"
#include "prepare/plan.h"
#include "prepare/recipe.h"
#include "prepare/regions.h"
#include "prepare/slabs.h"
#include "source/copy_box.h"
#include "store/memory/memory_store.h"
#include "zarr/array.h"

namespace seamount::prepare {
namespace {

using source::Index;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 36 months of a field on a 3 × 4 grid, from a function of (step, row, column).
class FakeDataset final : public source::Dataset {
 public:
  using Field = std::function<float(uint64_t, uint64_t, uint64_t)>;
  explicit FakeDataset(Field field, uint64_t steps = 36) : field_(std::move(field)), steps_(steps) {
    dimensions_ = {{"time", steps, true}, {"lat", 3, false}, {"lon", 4, false}};
    Add("time", source::DataType::kFloat64, {"time"},
        {{"units", source::DataType::kChar, "months since 2000-01-16", {}}});
    Add("lat", source::DataType::kFloat64, {"lat"}, {{"units", source::DataType::kChar, "degrees_north", {}}});
    Add("lon", source::DataType::kFloat64, {"lon"}, {{"units", source::DataType::kChar, "degrees_east", {}}});
    Add("u", source::DataType::kFloat32, {"time", "lat", "lon"},
        {{"units", source::DataType::kChar, "m/s", {}}, {"_FillValue", source::DataType::kFloat32, "", {-99}}});
  }
  const std::vector<source::FileIdentity>& files() const override { return files_; }
  const std::vector<source::Dimension>& dimensions() const override { return dimensions_; }
  const std::vector<source::Variable>& variables() const override { return variables_; }
  const std::vector<source::Attribute>& attributes() const override { return attributes_; }
  Result<void> ReadBox(size_t variable, const source::Box& box, std::span<std::byte> into) const override {
    if (fail_reads && variable == 3) return base::Unavailable("the disk went away");
    SEAMOUNT_TRY(source::CheckBox(variables_[variable], box, into.size(), "fake.nc"));
    if (variable < 3) {
      for (uint64_t i = 0; i < box.shape[0]; ++i) {
        const double n = static_cast<double>(box.origin[0] + i);
        const double value = variable == 0 ? n : variable == 1 ? 30 - 30 * n : 90 * n;
        std::memcpy(into.data() + i * sizeof value, &value, sizeof value);
      }
      return {};
    }
    size_t at = 0;
    for (uint64_t t = 0; t < box.shape[0]; ++t) {
      for (uint64_t y = 0; y < box.shape[1]; ++y) {
        for (uint64_t x = 0; x < box.shape[2]; ++x, at += sizeof(float)) {
          const float value = field_(box.origin[0] + t, box.origin[1] + y, box.origin[2] + x);
          std::memcpy(into.data() + at, &value, sizeof value);
        }
      }
    }
    return {};
  }

  std::atomic<bool> fail_reads = false;

 private:
  void Add(const std::string& name, source::DataType type, const std::vector<std::string>& dimensions,
           std::vector<source::Attribute> attributes) {
    source::Variable variable;
    variable.name = name;
    variable.type = type;
    variable.dimensions = dimensions;
    for (const std::string& dimension : dimensions) {
      variable.shape.push_back(dimension == "time" ? steps_ : dimension == "lat" ? 3 : 4);
    }
    if (dimensions.size() == 3) variable.chunk_shape = {1, 3, 4};
    variable.attributes = std::move(attributes);
    variables_.push_back(std::move(variable));
  }

  Field field_;
  uint64_t steps_;
  std::vector<source::FileIdentity> files_ = {{.path = "fake.nc", .size_bytes = 1, .modified_ns = 2}};
  std::vector<source::Dimension> dimensions_;
  std::vector<source::Variable> variables_;
  std::vector<source::Attribute> attributes_;
};

float Season(uint64_t t, uint64_t y, uint64_t x) {
  return static_cast<float>(10 * std::sin(static_cast<double>(t % 12)) + static_cast<double>(y) +
                            0.1 * static_cast<double>(x) + 0.01 * static_cast<double>(t * t % 17));
}

Result<Plan> PlanOf(const std::string& yaml, const source::Dataset& dataset) {
  SEAMOUNT_TRY_ASSIGN(const Recipe recipe, ParseRecipe("source: fake.nc\n" + yaml, "r.yaml"));
  SEAMOUNT_TRY_ASSIGN(const SourceFacts facts, Describe(dataset));
  return MakePlan(recipe, facts);
}

Result<Report> Prepare(const std::string& yaml, const source::Dataset& dataset, const std::shared_ptr<Store>& store,
                       bool overwrite = false, int threads = 2) {
  SEAMOUNT_TRY_ASSIGN(const SourceFacts facts, Describe(dataset));
  SEAMOUNT_TRY_ASSIGN(const Plan plan, PlanOf(yaml, dataset));
  return Execute(plan, facts, dataset, store, {.overwrite = overwrite, .threads = threads, .show_progress = false}, {});
}

std::vector<float> ReadArray(const std::shared_ptr<Store>& store, const std::string& name) {
  const auto array = zarr::Array::Open(store, name, {});
  if (!array) return {};
  const zarr::ArrayMetadata& metadata = (*array)->metadata();
  std::vector<float> values(source::Elements(metadata.shape));
  const zarr::Box all{Index(metadata.shape.size(), 0), metadata.shape};
  EXPECT_TRUE((*array)->ReadRegion(all, std::as_writable_bytes(std::span(values)), nullptr, {}));
  return values;
}

std::map<std::string, std::string> Contents(Store& store) {
  std::map<std::string, std::string> out;
  const auto page = store::ListAll(store, {}, {});
  for (const auto& object : page->objects) out[object.key] = (*store.Read(object.key, {}, {}))->data.view();
  return out;
}

std::string AttributesOf(const std::shared_ptr<Store>& store, const std::string& name) {
  return (*zarr::Array::Open(store, name, {}))->metadata().attributes_json;
}

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
        BadRecipe{"variables: [u]\ngaps: forbid", "'gaps' must be 'allow'"},
        BadRecipe{"variables: [u]\nbox: {lat: [50, 60]}", "nothing of 'lat' lies in [50, 60]"},
        BadRecipe{"variables: [u]\ntime: [1990, 1991]", "no time step lies in [1990, 1991]: it goes from 2000-01-16"},
        BadRecipe{"variables: [u]\ntime: [2000-13, 2001]", "line 3: '2000-13' is not a date"},
        BadRecipe{"variables: [u]\nsplit: {train: [2000, 2001]}\nstandardize: {over: trai}",
                  "line 4: there is no split 'trai', did you mean 'train'?"},
        BadRecipe{"variables: [u]\nsplit: {train: [2000-01, 2000-06]}\nanomaly: {climatology: month, over: train}",
                  "no step in month 7"},
        BadRecipe{"variables: [u]\nchunks: {tim: 1}", "'tim', which the source does not have, did you mean 'time'?"},
        BadRecipe{"variables: [u]\ncodec: zst", "codec"},
        BadRecipe{"variables: [u]\nformat: 4", "line 3: 'format' must be 2 or 3"},
        BadRecipe{"derive: {speed: sqrt(u^2}", "line 2: the expression"},
        BadRecipe{"derive: {speed: sqrt(w)}", "no variable 'w'"}, BadRecipe{"variables: [u\n", "line"}));

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
    source::Variable lon{.name = "lon", .type = source::DataType::kFloat64, .dimensions = {"lon"}};
    facts.variables = {lon};
    facts.coordinates = {{.variable = 0, .axis = source::Axis::kLongitude, .values = c.values}};
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

TEST(Layout, ChunksFollowTheMinibatch) {
  LayoutRequest request{.dimensions = {"time", "lat", "lon"}, .shape = {132, 73, 144}, .sample_dimension = 0};
  request.minibatch = Minibatch{12, 1, 16, true};
  EXPECT_THAT(SolveLayout(request).chunk, ElementsAre(13, 73, 144)) << "no more than a window";
  request.shape = {1000, 721, 1440};
  EXPECT_THAT(SolveLayout(request).chunk, ElementsAre(1, 721, 1440)) << "a field fills a request";
  request.shape = {1000, 7210, 14400};
  const Layout split = SolveLayout(request);
  EXPECT_LE(source::Elements(split.chunk) * 4, 32 << 20);
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

TEST(Layout, TasksCoverSourceChunksWithinALimit) {
  EXPECT_THAT(TaskShape({100, 80, 80}, {1, 80, 80}, {10, 80, 80}, 4), ElementsAre(10, 80, 80));
  EXPECT_THAT(TaskShape({100, 80, 80}, {10, 80, 80}, {1, 80, 80}, 4), ElementsAre(10, 80, 80));
  EXPECT_THAT(TaskShape({100, 80, 80}, {3, 80, 80}, {10, 80, 80}, 4), ElementsAre(12, 80, 80));
  const Index task = TaskShape({10000, 721, 1440}, {10000, 10, 10}, {1, 721, 1440}, 4);
  EXPECT_EQ(task[0], 10000);
  EXPECT_LE(source::Elements(task) * 4, 64 << 20);
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
  uint64_t elements = 0;
  const zarr::Box region{{3, 1, 0}, {9, 2, 3}};
  ASSERT_TRUE(some.ForEach(region, [&](const zarr::Box& slab) -> Result<void> {
    elements += source::Elements(slab.shape);
    return {};
  }));
  EXPECT_EQ(elements, source::Elements(region.shape));
  EXPECT_EQ(some.Count(region), 2 * 2);
}

// A field so large that its tasks cannot cover it goes through the spill file, with the same result.
TEST(Execute, SpilledRegionsHoldTheSameValues) {
  constexpr uint64_t kSteps = 2'000'000;
  const auto value = [](uint64_t t, uint64_t y, uint64_t x) { return static_cast<float>(t * 13 + y * 5 + x); };
  const FakeDataset dataset(value, kSteps);
  const std::string recipe =
      "variables: [u]\nbox: {lon: [-90, 90]}\ncodec: none\n"
      "chunks: {time: 5000, lat: 2, lon: 1}\nshards: {time: 2000000}\n";
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  const auto report = Prepare(recipe, dataset, store);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->spilled_bytes, kSteps * 9 * sizeof(float));
  const std::vector<float> u = ReadArray(store, "u");
  const uint64_t lon[] = {3, 0, 1};
  size_t wrong = 0;
  for (uint64_t i = 0; i < u.size(); ++i) wrong += u[i] != value(i / 9, i / 3 % 3, lon[i % 3]);
  EXPECT_EQ(wrong, 0);
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

constexpr const char* kAnomalies =
    "variables: [u]\nchunks: {time: 5, lat: 2}\nsplit: {train: [2000, 2001], test: [2002, 2002]}\n"
    "anomaly: {climatology: month, over: train}\nstandardize: {over: train}\n";

TEST(Execute, MonthlyAnomaliesOfTheTrainingPartAlone) {
  const FakeDataset dataset(Season);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  const auto report = Prepare(kAnomalies, dataset, store);
  ASSERT_TRUE(report) << report.error().ToString();
  const std::vector<float> climatology = ReadArray(store, "u_climatology");
  const std::vector<float> u = ReadArray(store, "u");
  ASSERT_EQ(climatology.size(), 12 * 12);
  double sum = 0;
  double squares = 0;
  for (uint64_t t = 0; t < 36; ++t) {
    for (uint64_t p = 0; p < 12; ++p) {
      const double mean = (static_cast<double>(Season(t % 12, p / 4, p % 4)) + Season(t % 12 + 12, p / 4, p % 4)) / 2;
      EXPECT_NEAR(climatology[t % 12 * 12 + p], mean, 1e-5);
      const double anomaly = Season(t, p / 4, p % 4) - mean;
      EXPECT_NEAR(u[t * 12 + p], anomaly, 1e-5);
      if (t >= 24) continue;
      sum += anomaly;
      squares += anomaly * anomaly;
    }
  }
  const std::string attributes = AttributesOf(store, "u");
  const double std = std::sqrt(squares / (24 * 12));
  EXPECT_NEAR(sum, 0, 1e-4);
  EXPECT_THAT(attributes, HasSubstr("\"std\":" + std::to_string(std).substr(0, 6)));
  EXPECT_THAT(attributes, HasSubstr("\"units\":\"m/s\""));
  EXPECT_THAT(attributes, ::testing::Not(HasSubstr("_FillValue")));
}

TEST(Execute, HeldOutDataLeakIntoNothing) {
  const FakeDataset clean(Season);
  const FakeDataset disturbed([](uint64_t t, uint64_t y, uint64_t x) {
    return t < 24 ? Season(t, y, x) : 1000.0F + static_cast<float>(t * x);
  });
  for (const char* anomaly : {"climatology: month", "harmonics: 2"}) {
    const std::string recipe = "variables: [u]\nchunks: {time: 6}\nsplit: {train: [2000, 2001]}\nanomaly: {" +
                               std::string(anomaly) + ", over: train}\nstandardize: {over: train}\n";
    const std::shared_ptr<Store> a = store::MakeMemoryStore();
    const std::shared_ptr<Store> b = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare(recipe, clean, a));
    ASSERT_TRUE(Prepare(recipe, disturbed, b));
    EXPECT_EQ(AttributesOf(a, "u"), AttributesOf(b, "u"));
    EXPECT_EQ(ReadArray(a, "u_climatology"), ReadArray(b, "u_climatology"));
    const std::vector<float> u = ReadArray(a, "u");
    const std::vector<float> v = ReadArray(b, "u");
    EXPECT_TRUE(std::equal(u.begin(), u.begin() + 24 * 12, v.begin()));
    EXPECT_NE(u.back(), v.back());
  }
}

TEST(Execute, SameBytesForAnyNumberOfThreads) {
  const FakeDataset dataset([](uint64_t t, uint64_t y, uint64_t x) {
    return (t + y + x) % 7 == 0 ? -99.0F : Season(t, y, x) / 3;  // with missing values
  });
  std::map<std::string, std::string> first;
  for (const int threads : {1, 2, 5}) {
    const std::shared_ptr<Store> store = store::MakeMemoryStore();
    const auto report = Prepare(kAnomalies, dataset, store, false, threads);
    ASSERT_TRUE(report) << report.error().ToString();
    if (first.empty()) first = Contents(*store);
    EXPECT_EQ(Contents(*store), first);
  }
}

TEST(Execute, AgainDoesNothingAndOthersAreRefused) {
  const FakeDataset dataset(Season);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare(kAnomalies, dataset, store));
  const auto before = Contents(*store);
  const auto again = Prepare(kAnomalies, dataset, store);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->up_to_date);
  const auto refused = Prepare("variables: [u]\n", dataset, store);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPreconditionFailed);
  EXPECT_THAT(refused.error().message(), HasSubstr("--overwrite"));
  EXPECT_EQ(Contents(*store), before);
  ASSERT_TRUE(Prepare("variables: [u]\n", dataset, store, true));
  EXPECT_FALSE(Contents(*store).contains("u_climatology/zarr.json")) << "what the new recipe lacks is deleted";
  const std::shared_ptr<Store> fresh = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare("variables: [u]\n", dataset, fresh));
  EXPECT_EQ(Contents(*store), Contents(*fresh));
}

TEST(Execute, OverwritingKeepsRegionsThatStillHold) {
  const FakeDataset dataset(Season);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  const std::string recipe = "variables: [u]\nchunks: {time: 6}\nsplit: {train: [2000, 2001]}\n";
  ASSERT_TRUE(Prepare(recipe, dataset, store));
  const auto report = Prepare(recipe + "standardize: {over: train}\n", dataset, store, true);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->regions_kept, 6);
  EXPECT_THAT(AttributesOf(store, "u"), HasSubstr("normalize"));
}

TEST(Execute, ForeignObjectsAreNeverOverwritten) {
  const FakeDataset dataset(Season);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_TRUE(store->Write("thesis.tex", store::BytesSource("x"), {}, {}));
  const auto report = Prepare(kAnomalies, dataset, store, true);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message(), HasSubstr("thesis.tex"));
  EXPECT_EQ(Contents(*store).size(), 1);
}

TEST(Execute, AnInterruptedRunIsNoGroupAndGoesOn) {
  const FakeDataset dataset(Season);
  std::atomic<int> reads = 0;
  FakeDataset* self = nullptr;
  FakeDataset failing([&](uint64_t t, uint64_t y, uint64_t x) {
    if (++reads > 150) self->fail_reads = true;  // the next read of a region fails
    return Season(t, y, x);
  });
  self = &failing;
  const std::string recipe = "variables: [u]\nchunks: {time: 3}\n";
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  const auto first = Prepare(recipe, failing, store, false, 1);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(first.error().message(), HasSubstr("running the same command again continues"));
  EXPECT_FALSE(Contents(*store).contains("zarr.json"));
  const auto second = Prepare(recipe, dataset, store, false, 1);
  ASSERT_TRUE(second) << second.error().ToString();
  EXPECT_GT(second->regions_kept, 0);
  EXPECT_LT(second->regions_kept, second->regions);
  const std::shared_ptr<Store> whole = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare(recipe, dataset, whole));
  EXPECT_EQ(Contents(*store), Contents(*whole));
}

TEST(Execute, ReplacingThatWasInterruptedLeavesNothingOfTheOldOutput) {
  const FakeDataset dataset(Season);
  for (const char* old : {kAnomalies, "variables: [u]\nformat: 2\nchunks: {time: 3}\n"}) {
    const std::shared_ptr<Store> store = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare(old, dataset, store));
    std::atomic<int> reads = 0;
    FakeDataset* self = nullptr;
    FakeDataset failing([&](uint64_t t, uint64_t y, uint64_t x) {
      if (++reads > 150) self->fail_reads = true;
      return Season(t, y, x);
    });
    self = &failing;
    const std::string recipe = "variables: [u]\nchunks: {time: 4}\n";
    ASSERT_FALSE(Prepare(recipe, failing, store, true, 1));
    const auto second = Prepare(recipe, dataset, store, false, 1);
    ASSERT_TRUE(second) << second.error().ToString();
    EXPECT_GT(second->regions_kept, 0);
    const std::shared_ptr<Store> fresh = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare(recipe, dataset, fresh));
    EXPECT_EQ(Contents(*store), Contents(*fresh)) << old;
  }
}

TEST(Execute, StatisticsAreTakenOnce) {
  const FakeDataset dataset(Season);
  std::atomic<int> reads = 0;
  FakeDataset* self = nullptr;
  FakeDataset failing([&](uint64_t t, uint64_t y, uint64_t x) {
    if (++reads > 24 * 12 + 150) self->fail_reads = true;  // after the statistics, in the middle of the regions
    return Season(t, y, x);
  });
  self = &failing;
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_FALSE(Prepare(kAnomalies, failing, store, false, 1));
  std::atomic<int> early = 0;
  const FakeDataset counting([&](uint64_t t, uint64_t y, uint64_t x) {
    early += t < 5 ? 1 : 0;
    return Season(t, y, x);
  });
  const auto second = Prepare(kAnomalies, counting, store, false, 1);
  ASSERT_TRUE(second) << second.error().ToString();
  EXPECT_EQ(second->statistics_kept, 1);
  EXPECT_EQ(early, 0) << "neither for statistics nor for regions that are done";
  const std::shared_ptr<Store> whole = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare(kAnomalies, dataset, whole));
  EXPECT_EQ(Contents(*store), Contents(*whole));
}

TEST(Execute, TooLittleMemorySaysHowMuchIsNeeded) {
  const FakeDataset dataset(Season);
  const auto facts = Describe(dataset);
  const auto plan = PlanOf("variables: [u]\n", dataset);
  const auto report =
      Execute(*plan, *facts, dataset, store::MakeMemoryStore(), {.memory_bytes = 100, .show_progress = false}, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(report.error().message(), HasSubstr("--memory"));
}

TEST(Execute, MissingValuesAreLeftOutPointByPoint) {
  const FakeDataset dataset([](uint64_t t, uint64_t y, uint64_t x) {
    if (y == 0 && x == 0) return -99.0F;            // never there
    if (y == 1 && x == 1 && t < 12) return -99.0F;  // there in the second year only
    return Season(t, y, x);
  });
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  const auto report = Prepare(
      "variables: [u]\nsplit: {train: [2000, 2001]}\nanomaly: {harmonics: 1, over: train}\nstandardize: {over: "
      "train}\n",
      dataset, store);
  ASSERT_TRUE(report) << report.error().ToString();
  const std::vector<float> coefficients = ReadArray(store, "u_climatology");
  const std::vector<float> u = ReadArray(store, "u");
  EXPECT_TRUE(std::isnan(coefficients[0]));
  EXPECT_TRUE(std::isnan(u[0]));
  EXPECT_FALSE(std::isnan(coefficients[5]));
  EXPECT_TRUE(std::isnan(u[5]));
  double mean = 0;  // the residuals of a fit with a constant term sum up to nothing
  for (uint64_t t = 12; t < 24; ++t) mean += u[t * 12 + 5];
  EXPECT_NEAR(mean, 0, 1e-4);
}

TEST(Record, RoundTripsAndRefusesOthers) {
  const auto record = ParseRecord(RecordJson({"plan", true, true, {"a", "b"}}));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->plan, "plan");
  EXPECT_TRUE(record->complete);
  EXPECT_TRUE(record->replacing);
  EXPECT_THAT(record->done, ElementsAre("a", "b"));
  for (const char* text : {"", "{}", "[]", "{\"seamount_prepare\":1,\"plan\":1,\"complete\":true,\"done\":[]}"}) {
    EXPECT_FALSE(ParseRecord(text)) << text;
  }
}

}  // namespace
}  // namespace seamount::prepare
