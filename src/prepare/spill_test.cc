#include "prepare/spill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "prepare/execute.h"
#include "prepare/kept_folder.h"
#include "prepare/testing/fake_dataset.h"
#include "store/memory/memory_store.h"
#include "store/testing/temporary_folder.h"
#include "zarr/array.h"

namespace seamount::prepare {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSlabs = 10;
constexpr std::array kBytes = {std::byte{1}, std::byte{2}, std::byte{3}};

class SpillTest : public ::testing::Test {
 protected:
  Spill Open(const std::string& of = "a recipe") const { return *Spill::Open(folder_, of, kSlabs); }
  fs::path Kept() const { return fs::path(folder_) / ("seamount-sums-" + std::to_string(::geteuid())); }
  fs::path File() const { return fs::directory_iterator(Kept())->path(); }
  const store::TemporaryFolder temporary_;
  const std::string& folder_ = temporary_.path();
};

TEST_F(SpillTest, AnotherRunGoesOnWithIt) {
  {
    Spill spill = Open();
    EXPECT_THAT(spill.tasks(), IsEmpty());
    ASSERT_TRUE(spill.Begin({2, 5, 9}));
    ASSERT_TRUE(spill.Write(100, kBytes));
    ASSERT_TRUE(spill.Mark(7));
  }
  const Spill spill = Open();
  EXPECT_THAT(spill.tasks(), ElementsAre(2, 5, 9));
  EXPECT_TRUE(spill.Has(7));
  EXPECT_FALSE(spill.Has(8));
  std::array<std::byte, 3> read{};
  ASSERT_TRUE(spill.Read(100, read));
  EXPECT_EQ(read, kBytes);
  EXPECT_THAT(Open("another recipe").tasks(), IsEmpty());
  spill.Remove();
  EXPECT_THAT(Open().tasks(), IsEmpty());
}

TEST_F(SpillTest, WhatIsDamagedOrBegunByHalfIsEmpty) {
  for (const bool cut : {false, true}) {
    {
      Spill spill = Open();
      ASSERT_TRUE(spill.Begin({2, 5}));
      ASSERT_TRUE(spill.Mark(7));
    }
    if (cut) fs::resize_file(File(), 41);
    if (!cut) std::fstream(File(), std::ios::in | std::ios::out | std::ios::binary).seekp(32).put('x');
    const Spill spill = Open();
    EXPECT_THAT(spill.tasks(), IsEmpty());
    EXPECT_FALSE(spill.Has(7));
  }
  { ASSERT_TRUE(Open().Begin({2, 5})); }
  EXPECT_THAT(Spill::Open(folder_, "a recipe", kSlabs + 1)->tasks(), IsEmpty()) << "cut into other slabs";
}

TEST_F(SpillTest, BeginningAnewForgetsWhatWasInIt) {
  {
    Spill spill = Open();
    ASSERT_TRUE(spill.Begin({2}));
    ASSERT_TRUE(spill.Mark(7));
    ASSERT_TRUE(spill.Begin({3}));
  }
  const Spill again = Open();
  EXPECT_THAT(again.tasks(), ElementsAre(3));
  EXPECT_FALSE(again.Has(7));
}

TEST_F(SpillTest, TwoRunsDoNotShareIt) {
  auto first = std::make_unique<Spill>(Open());
  ASSERT_TRUE(first->Begin({1}));
  {
    Spill second = Open();
    EXPECT_THAT(second.tasks(), IsEmpty());
    ASSERT_TRUE(second.Begin({4}));
    ASSERT_TRUE(second.Write(0, kBytes));
  }
  Spill::Forget(folder_, "a recipe");
  EXPECT_TRUE(fs::exists(File())) << "a run is at it";
  first.reset();
  EXPECT_THAT(Open().tasks(), ElementsAre(1));
  Spill::Forget(folder_, "a recipe");
  EXPECT_FALSE(fs::exists(Kept()));
}

TEST_F(SpillTest, AFolderThatOthersCanLookIntoIsNotUsed) {
  fs::create_directory(Kept());
  fs::permissions(Kept(), fs::perms::all);
  ASSERT_TRUE(Open().Begin({1}));
  EXPECT_TRUE(fs::is_empty(Kept()));
}

TEST_F(SpillTest, WhatWasForgottenIsRemovedAfterADay) {
  { ASSERT_TRUE(Open("old").Begin({1})); }
  Spill used = Open("in use");
  ASSERT_TRUE(used.Begin({2}));
  std::ofstream(Kept() / "notes").put('x');
  for (const auto& entry : fs::directory_iterator(Kept())) {
    fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  EXPECT_FALSE(KeptFolder(folder_).empty());
  EXPECT_EQ(std::distance(fs::directory_iterator(Kept()), {}), 2) << "what is in use, and notes";
}

// A field so long that its regions, whole series, lie across some slabs.
class SpilledRunTest : public SpillTest {
 protected:
  static constexpr uint64_t kSteps = 1'000'000;
  static constexpr uint64_t kWhole = kSteps * 12 * sizeof(double);
  static float Value(uint64_t t, uint64_t y, uint64_t x) { return static_cast<float>(t * 13 + y * 5 + x); }
  Result<Report> Run(const source::Dataset& dataset, const std::shared_ptr<Store>& store) const {
    const std::string yaml =
        "variables: [u]\ncodec: none\ndtype: float64\nchunks: {time: 5000, lat: 1, lon: 1}\nshards: {time: 1000000}\n";
    SEAMOUNT_TRY_ASSIGN(const Planned planned, PlannedOf(yaml, dataset));
    const ExecuteOptions options{.overwrite = true, .spill_directory = folder_, .show_progress = false};
    return Execute(planned.plan, planned.made.facts, planned.made.of(dataset), store, options, {});
  }
  // Ends when 60 % of the slabs' values are read.
  void Interrupt(const std::shared_ptr<Store>& store) const {
    std::atomic<uint64_t> reads = 0;
    FakeDataset* self = nullptr;
    FakeDataset failing(
        [&](uint64_t t, uint64_t y, uint64_t x) {
          if (++reads > kSteps * 12 * 6 / 10) self->fail_reads = true;
          return Value(t, y, x);
        },
        kSteps);
    self = &failing;
    const auto report = Run(failing, store);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), ErrorCode::kUnavailable);
    EXPECT_THAT(report.error().message(), HasSubstr("the spill file stays in '" + Kept().string() + "'"));
  }
  static uint64_t Wrong(const std::shared_ptr<Store>& store) {
    const auto array = zarr::Array::Open(store, "u", {});
    std::vector<double> u(kSteps * 12);
    const auto read =
        (*array)->ReadRegion({{0, 0, 0}, {kSteps, 3, 4}}, std::as_writable_bytes(std::span(u)), nullptr, {});
    EXPECT_TRUE(read);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < u.size(); ++i)
      wrong += u[i] != static_cast<double>(Value(i / 12, i / 4 % 3, i % 4)) ? 1 : 0;
    return wrong;
  }
};

TEST_F(SpilledRunTest, AnInterruptedSlabPassGoesOn) {
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  Interrupt(store);
  EXPECT_TRUE(fs::exists(File()));
  const auto report = Run(FakeDataset(Value, kSteps), store);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_GT(report->spilled_bytes, 0);
  EXPECT_LT(report->spilled_bytes, kWhole / 2);
  EXPECT_EQ(Wrong(store), 0);
  EXPECT_FALSE(fs::exists(Kept())) << "removed when all is written";
}

TEST_F(SpilledRunTest, NothingIsTakenOverOfASourceThatHasChanged) {
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  Interrupt(store);
  FakeDataset changed(Value, kSteps);
  changed.Touch();
  const auto report = Run(changed, store);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->spilled_bytes, kWhole);
  EXPECT_EQ(Wrong(store), 0);
}

}  // namespace
}  // namespace seamount::prepare
