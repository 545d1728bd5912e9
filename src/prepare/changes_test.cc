// Small changes: what is made again, and what is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "prepare/execute.h"
#include "prepare/layout.h"
#include "prepare/testing/fake_dataset.h"
#include "store/memory/memory_store.h"

namespace seamount::prepare {
namespace {

using ::testing::ElementsAre;

Result<Report> Prepare(const std::string& yaml, const source::Dataset& dataset, const std::shared_ptr<Store>& store,
                       bool overwrite = false) {
  SEAMOUNT_TRY_ASSIGN(const Planned planned, PlannedOf(yaml, dataset));
  return Execute(planned.plan, planned.made.facts, planned.made.of(dataset), store,
                 {.overwrite = overwrite, .threads = 2, .show_progress = false}, {});
}

std::map<std::string, std::string> Contents(Store& store) {
  std::map<std::string, std::string> out;
  const auto page = store::ListAll(store, {}, {});
  for (const auto& object : page->objects) out[object.key] = (*store.Read(object.key, {}, {}))->data.view();
  return out;
}

std::map<std::string, store::Generation> Generations(Store& store) {
  std::map<std::string, store::Generation> out;
  const auto page = store::ListAll(store, {}, {});
  for (const auto& object : page->objects) out[object.key] = object.generation;
  return out;
}

constexpr const char* kAnomalies =
    "variables: [u]\nchunks: {time: 6}\nsplit: {train: [2000, 2001]}\n"
    "anomaly: {harmonics: 1, over: train}\nstandardize: {over: train}\n";

TEST(Changes, AnotherYearLeavesTheClimatologyAndAllThatStands) {
  const FakeDataset three(Season, 36);
  const FakeDataset four(Season, 48);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare(kAnomalies, three, store));
  const auto before = Contents(*store);
  const auto written = Generations(*store);
  const auto report = Prepare(kAnomalies, four, store, true);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->statistics_kept, 1) << "its steps are those of train";
  EXPECT_EQ(report->regions_kept, 6);
  EXPECT_EQ(report->regions, 8);
  const std::shared_ptr<Store> fresh = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare(kAnomalies, four, fresh));
  EXPECT_EQ(Contents(*store), Contents(*fresh));
  EXPECT_EQ(Contents(*store)["u/c/5/0/0"], before.at("u/c/5/0/0"));
  for (const auto& [key, generation] : Generations(*store)) {
    const bool changed = !before.contains(key) || before.at(key) != Contents(*store)[key];
    const bool always = key == "zarr.json" || key == ".seamount-prepare.json";
    EXPECT_EQ(!written.contains(key) || written.at(key) != generation, changed || always) << key;
  }
}

TEST(Changes, HowARecipeIsWrittenIsNoChange) {
  const FakeDataset dataset(Season);
  const std::string recipe = "variables: [u]\nderive: {w: u^2 + 1}\nchunks: {time: 6}\n";
  const auto plan = PlanOf(recipe, dataset);
  ASSERT_TRUE(plan);
  for (const std::string& same : {"# a remark\n" + recipe,
                                  std::string("chunks: {time: 6}\nvariables: [u]\nderive: {w: {expression: 'u^2+1', "
                                              "long_name: u^2 + 1}}\ncodec: blosc-zstd:1+crc32c\n"),
                                  recipe + "select: {}\n"}) {
    const auto other = PlanOf(same, dataset);
    ASSERT_TRUE(other) << other.error().ToString();
    EXPECT_EQ(other->fingerprint, plan->fingerprint) << same;
  }
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare(recipe, dataset, store));
  EXPECT_TRUE(Prepare("# a remark\n" + recipe, dataset, store)->up_to_date) << "without --overwrite";
  EXPECT_NE(PlanOf(recipe + "codec: zstd:1\n", dataset)->fingerprint, plan->fingerprint);
  EXPECT_NE(PlanOf("variables: [u]\nderive: {w: u^2 + 2}\nchunks: {time: 6}\n", dataset)->fingerprint,
            plan->fingerprint);
}

TEST(Changes, WhatComesOutTheSameIsNotSentAgain) {
  const std::string recipe = kAnomalies;
  FakeDataset dataset(Season);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare(recipe, dataset, store));
  const auto generation = (*store->Stat("u/c/0/0/0", {}))->generation;
  dataset.Touch();
  const auto report = Prepare(recipe, dataset, store, true);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->regions_kept, 0);
  EXPECT_EQ(report->written_bytes, 0);
  EXPECT_GT(report->equal_bytes, 0);
  EXPECT_EQ((*store->Stat("u/c/0/0/0", {}))->generation, generation);
  dataset.Touch();
  ASSERT_TRUE(store->Delete("u/c/5/0/0", {}, {}));
  const auto changed = Prepare(recipe, dataset, store, true);
  ASSERT_TRUE(changed) << changed.error().ToString();
  EXPECT_GT(changed->written_bytes, 0) << "what is gone is made again";
}

// Chunks that end in their own CRC32C all have the same one as objects.
TEST(Changes, OtherValuesOfTheSameSizeAreSent) {
  FakeDataset one([](uint64_t, uint64_t, uint64_t) { return 1.F; });
  FakeDataset two([](uint64_t, uint64_t, uint64_t) { return 2.F; });
  two.Touch();
  for (const char* format : {"3", "2"}) {
    const std::string recipe = std::string("variables: [u]\nchunks: {time: 6}\ncodec: none\nformat: ") + format + "\n";
    const std::shared_ptr<Store> store = store::MakeMemoryStore();
    const std::shared_ptr<Store> fresh = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare(recipe, one, store));
    const auto report = Prepare(recipe, two, store, true);
    ASSERT_TRUE(report) << report.error().ToString();
    EXPECT_EQ(report->equal_bytes, 0);
    ASSERT_TRUE(Prepare(recipe, two, fresh));
    EXPECT_EQ(Contents(*store), Contents(*fresh)) << format;
  }
}

TEST(Changes, GrowingBeyondManyObjectsKeepsTheLayout) {
  LayoutRequest request{.dimensions = {"time", "y"}, .shape = {20'000, 1 << 18}, .sample_dimension = 0};
  request.minibatch = Minibatch{.inputs = {0}, .targets = {}};
  const Layout fresh = SolveLayout(request);
  request.shape[0] = 9'000;
  const Layout small = SolveLayout(request);
  request.shape[0] = 20'000;
  ASSERT_TRUE(fresh.shard.has_value());
  ASSERT_FALSE(small.shard.has_value());
  ASSERT_EQ(fresh.chunk, small.chunk);
  request.before = {small.chunk, small.shard};
  EXPECT_FALSE(SolveLayout(request).shard.has_value()) << "as it lies there";
  request.before = {fresh.chunk, fresh.shard};
  request.shape[0] = 9'000;
  EXPECT_EQ(SolveLayout(request).shard, fresh.shard);
}

TEST(Changes, MissingValuesAreCounted) {
  const FakeDataset dataset([](uint64_t t, uint64_t y, uint64_t x) {
    return t == 7 || t == 9 || (y == 0 && x == 0) ? -99.F : Season(t, y, x);
  });
  for (const char* chunks : {"{time: 5, lat: 2}", "{time: 36}"}) {
    const auto report = Prepare(std::string("variables: [u]\nchunks: ") + chunks, dataset, store::MakeMemoryStore());
    ASSERT_TRUE(report) << report.error().ToString();
    ASSERT_EQ(report->missing.size(), 1);
    const MissingShare& share = report->missing[0];
    EXPECT_EQ(share.array, 0);
    EXPECT_EQ(share.values, 36 * 12);
    EXPECT_EQ(share.missing, 2 * 12 + 34);
    EXPECT_THAT(share.empty_steps, ElementsAre(Stretch{7, 8}, Stretch{9, 10}));
    EXPECT_TRUE(share.empty_levels.empty());
  }
}

}  // namespace
}  // namespace seamount::prepare
