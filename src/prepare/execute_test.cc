#include "prepare/execute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "nd/box.h"
#include "prepare/attributes.h"
#include "prepare/plan.h"
#include "prepare/testing/fake_dataset.h"
#include "store/memory/memory_store.h"
#include "zarr/array.h"

namespace seamount::prepare {
namespace {

using nd::Index;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<Report> Prepare(const std::string& yaml, const source::Dataset& dataset, const std::shared_ptr<Store>& store,
                       bool overwrite = false, int threads = 2) {
  SEAMOUNT_TRY_ASSIGN(const Planned planned, PlannedOf(yaml, dataset));
  return Execute(planned.plan, planned.made.facts, planned.made.of(dataset), store,
                 {.overwrite = overwrite, .threads = threads, .show_progress = false}, {});
}

std::vector<float> ReadArray(const std::shared_ptr<Store>& store, const std::string& name) {
  const auto array = zarr::Array::Open(store, name, {});
  if (!array) return {};
  const zarr::ArrayMetadata& metadata = (*array)->metadata();
  std::vector<float> values(nd::Elements(metadata.shape));
  const nd::Box all{Index(metadata.shape.size(), 0), metadata.shape};
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

// The object's values with one bit flipped in it.
Result<std::vector<std::byte>> ReadFlipped(const std::shared_ptr<Store>& store, const std::string& key, std::string bad,
                                           size_t bit) {
  bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
  SEAMOUNT_TRY(store->Write(key, store::BytesSource(bad), {}, {}));
  SEAMOUNT_TRY_ASSIGN(const auto array, zarr::Array::Open(store, key.substr(0, key.find('/')), {}));
  const zarr::ArrayMetadata& metadata = array->metadata();
  std::vector<std::byte> values(nd::Elements(metadata.shape) * nd::SizeOf(metadata.data_type));
  SEAMOUNT_TRY(array->ReadRegion({Index(metadata.shape.size(), 0), metadata.shape}, values, nullptr, {}));
  return values;
}

TEST(Execute, AFlippedBitInAChunkIsRefused) {
  const FakeDataset dataset(Season);
  const std::map<std::string, std::string> keys = {
      {"", "u/c/1/0/0"},
      {"codec: none\n", "u/c/1/0/0"},
      {"codec: zstd:3\n", "u/c/1/0/0"},
      {"codec: gzip:5\n", "u/c/1/0/0"},
      {"codec: blosc-lz4\n", "u/c/1/0/0"},
      {"codec: blosc-zlib:1\n", "u/c/1/0/0"},
      {"shards: {time: 24}\n", "u/c/0/0/0"},
      {"codec: none\nshards: {time: 24}\n", "u/c/0/0/0"},
      {"dtype: float64\n", "lat/c/0"},
  };
  for (const auto& [recipe, key] : keys) {
    const std::shared_ptr<Store> store = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare("variables: [u]\nchunks: {time: 12}\n" + recipe, dataset, store));
    const std::string good = Contents(*store).at(key);
    for (size_t bit = 0; bit < 8 * good.size(); bit += 7) {
      const auto read = ReadFlipped(store, key, good, bit);
      ASSERT_FALSE(read) << recipe << "bit " << bit;
      EXPECT_EQ(read.error().code(), ErrorCode::kDataLoss) << read.error().ToString();
      EXPECT_THAT(read.error().message(), HasSubstr(key));
    }
  }
}

// Of format 2 gzip alone has a checksum. It is one of the values: what fills up the last byte, or the time in the
// header, may be anything.
TEST(Execute, AFlippedBitOfGzipChangesNoValue) {
  const FakeDataset dataset(Season);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare("variables: [u]\nchunks: {time: 12}\ncodec: gzip:5\nformat: 2\n", dataset, store));
  const std::string key = "u/1/0/0";
  const std::string good = Contents(*store).at(key);
  const std::vector<float> right = ReadArray(store, "u");
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * good.size(); bit += 7) {
    const auto read = ReadFlipped(store, key, good, bit);
    if (read) {
      EXPECT_EQ(std::memcmp(read->data(), right.data(), read->size()), 0) << "bit " << bit;
      continue;
    }
    ++refused;
    EXPECT_EQ(read.error().code(), ErrorCode::kDataLoss) << read.error().ToString();
  }
  EXPECT_GT(refused, good.size());
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

}  // namespace
}  // namespace seamount::prepare
