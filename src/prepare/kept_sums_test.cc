#include "prepare/kept_sums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>

#include "prepare/execute.h"
#include "prepare/testing/fake_dataset.h"
#include "store/memory/memory_store.h"
#include "store/testing/temporary_folder.h"

namespace seamount::prepare {
namespace {

namespace fs = std::filesystem;

const std::string kName(32, 'a');

class KeptSumsTest : public ::testing::Test {
 protected:
  size_t Files() const {
    const fs::path sums = fs::path(folder_) / ("seamount-sums-" + std::to_string(::geteuid()));
    return fs::exists(sums) ? static_cast<size_t>(std::distance(fs::directory_iterator(sums), {})) : 0;
  }
  std::string PathOf(int part) const {
    return folder_ + "/seamount-sums-" + std::to_string(::geteuid()) + "/" + kName + "-" + std::to_string(part);
  }
  const store::TemporaryFolder temporary_;
  const std::string& folder_ = temporary_.path();
};

TEST_F(KeptSumsTest, GivesBackWhatItWasGivenAndNothingThatIsDamaged) {
  std::vector<double> in[5] = {{1, 2, 3}, {}, {NAN}, {4}, {5, 6}};
  std::vector<double> out[5];
  const KeptSums::Vectors from = {&in[0], &in[1], &in[2], &in[3], &in[4]};
  const KeptSums::Vectors into = {&out[0], &out[1], &out[2], &out[3], &out[4]};
  KeptSums kept(folder_, kName, 1);
  const auto write = [&] {
    kept.Add(7, from);
    kept.Write();
  };
  EXPECT_FALSE(kept.Read(7, into));
  write();
  ASSERT_TRUE(kept.Read(7, into));
  EXPECT_EQ(out[0], in[0]);
  EXPECT_TRUE(std::isnan(out[2][0]));
  EXPECT_EQ(out[4], in[4]);
  EXPECT_TRUE(KeptSums(folder_, kName, 1).Read(7, into));
  EXPECT_FALSE(KeptSums(folder_, kName, 2).Read(7, into)) << "cut in another way";
  EXPECT_FALSE(KeptSums(folder_, std::string(32, 'b'), 1).Read(7, into));
  for (const int at : {0, 9, 20, 70, 100}) {
    write();
    std::fstream file(PathOf(7), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
    file.close();
    EXPECT_FALSE(kept.Read(7, into)) << at;
    EXPECT_FALSE(KeptSums(folder_, kName, 1).Read(7, into)) << at;
  }
  write();
  fs::resize_file(PathOf(7), fs::file_size(PathOf(7)) - 8);
  EXPECT_FALSE(kept.Read(7, into));
  std::ofstream(fs::path(PathOf(7)).parent_path() / "notes.txt") << "mine";
  kept.Remove();
  EXPECT_EQ(Files(), 1) << "what is not ours stays";
}

TEST_F(KeptSumsTest, SmallPartsGoTogetherAndALargeOneByItself) {
  std::vector<double> small = {1}, large(KeptSums::kGatheredBytes / sizeof(double), 2), out[5];
  const KeptSums::Vectors into = {&out[0], &out[1], &out[2], &out[3], &out[4]};
  KeptSums kept(folder_, kName, 1);
  for (uint64_t part = 0; part < 1000; ++part) {
    small[0] = static_cast<double>(part);
    kept.Add(part, {&small, &small, &small, &small, &small});
  }
  EXPECT_EQ(Files(), 0);
  kept.Add(1000, {&large, &small, &small, &small, &small});
  EXPECT_EQ(Files(), 2);
  const KeptSums again(folder_, kName, 1);
  for (uint64_t part = 0; part < 1000; ++part) {
    ASSERT_TRUE(again.Read(part, into));
    EXPECT_EQ(out[4], std::vector<double>{static_cast<double>(part)});
  }
  ASSERT_TRUE(again.Read(1000, into));
  EXPECT_EQ(out[0], large);
  // Of a file that was cut only what is cut is lost.
  fs::resize_file(PathOf(0), fs::file_size(PathOf(0)) - 1);
  const KeptSums cut(folder_, kName, 1);
  EXPECT_TRUE(cut.Read(998, into));
  EXPECT_FALSE(cut.Read(999, into));
}

TEST_F(KeptSumsTest, AFolderThatOthersMayWriteIsNotUsed) {
  const std::string sums = folder_ + "/seamount-sums-" + std::to_string(::geteuid());
  ASSERT_EQ(::mkdir(sums.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(sums.c_str(), 0777), 0);
  std::vector<double> v = {1};
  KeptSums kept(folder_, kName, 1);
  kept.Add(1, {&v, &v, &v, &v, &v});
  kept.Write();
  EXPECT_EQ(Files(), 0);
}

std::map<std::string, std::string> Contents(Store& store) {
  std::map<std::string, std::string> out;
  const auto page = store::ListAll(store, {}, {});
  for (const auto& object : page->objects) out[object.key] = (*store.Read(object.key, {}, {}))->data.view();
  return out;
}

// The source goes away in the middle of the statistics; the next run reads only what was not taken, to the same bytes.
TEST_F(KeptSumsTest, StatisticsGoOnWhereARunWasKilled) {
  constexpr uint64_t kSteps = 200'000;  // some blocks of a million elements
  const std::string recipe =
      "variables: [u]\nchunks: {time: 100000}\nanomaly: {harmonics: 1, over: all}\nstandardize: {over: all}\n";
  const auto value = [](uint64_t t, uint64_t y, uint64_t x) { return (t + x) % 11 == 0 ? -99.F : Season(t, y, x); };
  std::atomic<uint64_t> reads = 0;
  FakeDataset* self = nullptr;
  FakeDataset failing(
      [&](uint64_t t, uint64_t y, uint64_t x) {
        if (++reads > kSteps * 12 / 2) self->fail_reads = true;
        return value(t, y, x);
      },
      kSteps);
  self = &failing;
  const FakeDataset counting(
      [&](uint64_t t, uint64_t y, uint64_t x) {
        ++reads;
        return value(t, y, x);
      },
      kSteps);
  const auto run = [&](const source::Dataset& dataset, const std::shared_ptr<Store>& store,
                       bool keep) -> Result<Report> {
    SEAMOUNT_TRY_ASSIGN(const Planned planned, PlannedOf(recipe, dataset));
    const auto after = keep ? std::chrono::nanoseconds(0) : std::chrono::hours(1);
    return Execute(planned.plan, planned.made.facts, planned.made.of(dataset), store,
                   {.threads = 1, .spill_directory = folder_, .show_progress = false, .keep_sums_after = after}, {});
  };
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_FALSE(run(failing, store, true));
  EXPECT_GT(Files(), 0);
  EXPECT_TRUE(Contents(*store).empty());
  reads = 0;
  ASSERT_TRUE(run(counting, store, true));
  EXPECT_LT(reads, kSteps * 12 * 17 / 10) << "the regions, and little more than half of the statistics";
  EXPECT_EQ(Files(), 0) << "they lie in the output now";
  const std::shared_ptr<Store> whole = store::MakeMemoryStore();
  ASSERT_TRUE(run(counting, whole, false));
  EXPECT_EQ(Contents(*store), Contents(*whole));
}

}  // namespace
}  // namespace seamount::prepare
