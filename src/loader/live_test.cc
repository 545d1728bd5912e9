// What running loaders say of themselves.
#include "loader/live.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "loader/testing/fields.h"

namespace seamount::loader {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class LiveTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "live-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    folder_ = base_ + "/run";
  }
  void TearDown() override { fs::remove_all(base_); }
  size_t Files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  std::string base_;
  std::string folder_;
};

TEST_F(LiveTest, SaysWhatWasShownLastAndGoesWithTheLoader) {
  {
    auto file = LiveFile::Make(folder_);
    ASSERT_TRUE(file);
    EXPECT_TRUE(LiveLoaders(folder_).empty());
    const base::SteadyTime begin{seconds(100)};
    ASSERT_TRUE(file->Due(begin));
    file->Show({.name = "winds [u]", .rank = 1, .world = 2}, {.samples = 10, .trainer_seconds = 1}, begin);
    EXPECT_FALSE(file->Due(begin + std::chrono::milliseconds(999)));
    ASSERT_TRUE(file->Due(begin + seconds(1)));
    file->Show({.name = "winds [u]", .rank = 1, .world = 2, .epoch = 3, .waiting = true}, {.samples = 30},
               begin + seconds(2));
    auto second = LiveFile::Make(folder_);
    second->Show({.name = "rain"}, {}, begin);
    const auto loaders = LiveLoaders(folder_);
    ASSERT_EQ(loaders.size(), 2u);
    EXPECT_EQ(loaders[0].name, "rain");
    const LiveLoader& winds = loaders[1];
    EXPECT_EQ(winds.pid, getpid());
    EXPECT_EQ(std::tuple(winds.rank, winds.world, winds.epoch, winds.waiting), std::tuple(1u, 2u, 3u, true));
    EXPECT_EQ(winds.seconds - winds.seconds_before, 2);
    EXPECT_EQ(winds.stats.samples - winds.stats_before.samples, 20u);
    EXPECT_EQ(winds.stats_before.trainer_seconds, 1);
  }
  EXPECT_EQ(Files(), 0u);
}

TEST_F(LiveTest, ProcessesThatHaveEndedAreLeftOut) {
  const auto file = LiveFile::Make(folder_);
  const pid_t child = fork();
  if (child == 0) {
    auto own = LiveFile::Make(folder_);
    own->Show({.name = "killed"}, {}, std::chrono::steady_clock::now());
    _exit(0);  // as a signal ends it: nothing is tidied up
  }
  siginfo_t ended = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  ASSERT_EQ(Files(), 1u);
  EXPECT_TRUE(LiveLoaders(folder_).empty());  // while it is not waited for
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(Files(), 0u);
  // Another process has its number now.
  std::ofstream(folder_ + "/7-7.loader") << LiveLoaderText({.name = "old", .pid = getpid(), .started = 1});
  std::ofstream(folder_ + "/8-8.loader") << "nonsense";
  EXPECT_TRUE(LiveLoaders(folder_).empty());
  EXPECT_EQ(Files(), 1u);  // what cannot be read may be another version's
}

TEST_F(LiveTest, AFolderThatOthersMayWriteToIsNotUsed) {
  ASSERT_EQ(mkdir(folder_.c_str(), 0700), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0777), 0);
  EXPECT_FALSE(LiveFile::Make(folder_));
  fs::create_directory_symlink(base_, base_ + "/link");
  EXPECT_FALSE(LiveFile::Make(base_ + "/link"));
  EXPECT_FALSE(LiveFile::Make(base_ + "/not/there"));
  EXPECT_TRUE(LiveLoaders(base_ + "/not/there").empty());
}

}  // namespace
}  // namespace seamount::loader
