// Which files that are being written have a name in the journal, and until when.
#include <thread>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

// A file system that another one, opened on the same staging folder, takes for killed or for alive.
class RecorderTest : public FileSystemTest {
 protected:
  void Begin(base::Duration record_after) {
    fs_ = FileSystem::Open(store_, {.staging_dir = staging_,
                                    .source = "gs://lab",
                                    .threads = 4,
                                    .clock = &clock_,
                                    .record_after = record_after})
              .value();
  }
  // How many files have a record with that ending.
  size_t Records(const std::string& ending) {
    size_t count = 0;
    std::error_code gone;  // a record may go while the folder is read
    const std::string open = staging_ + "/open";
    for (auto it = std::filesystem::recursive_directory_iterator(open, gone);
         !gone && it != std::filesystem::recursive_directory_iterator(); it.increment(gone)) {
      count += it->path().extension() == ending ? 1 : 0;
    }
    return count;
  }
  void TakeDown() {
    store_->SetFault([](const std::string&, const std::string&) -> Result<void> { return base::Unavailable("down"); });
  }
};

constexpr auto kNever = std::chrono::hours(1);

TEST_F(RecorderTest, ABigFileIsRecordedUntilTheBucketHasIt) {
  Begin(kNever);
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, std::string(kMiB - 1, 'x')));
  EXPECT_EQ(Records(".json"), 0U);
  EXPECT_TRUE(Put(file, kMiB - 1, "x"));
  EXPECT_EQ(Records(".json"), 1U);
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(Records(".json"), 0U);
  EXPECT_EQ(Records(".uploaded"), 1U);
  EXPECT_TRUE(Put(file, 0, "y"));
  EXPECT_EQ(Records(".json"), 0U);
  EXPECT_TRUE(Put(file, kMiB, std::string(kMiB, 'y')));
  EXPECT_EQ(Records(".json"), 1U);
  EXPECT_EQ(Records(".uploaded"), 0U);
  EXPECT_TRUE(fs_->Commit(*file));
  fs_->Release(std::move(file));
  EXPECT_EQ(Records(".json") + Records(".uploaded"), 0U);
}

TEST_F(RecorderTest, ASmallFileThatIsClosedIsNotRecorded) {
  Begin(kNever);
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, "small"));
  EXPECT_TRUE(fs_->Commit(*file));
  fs_->Release(std::move(file));
  EXPECT_FALSE(std::filesystem::exists(staging_ + "/open"));
}

TEST_F(RecorderTest, ASmallFileThatStaysOpenIsRecorded) {
  Begin(std::chrono::milliseconds(1));
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, "small"));
  while (Records(".json") == 0) std::this_thread::yield();
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(Records(".json"), 0U);
  EXPECT_TRUE(Put(file, 0, "again"));
  while (Records(".json") == 0) std::this_thread::yield();
}

TEST_F(RecorderTest, WhatCouldNotBeSyncedIsRecordedAtOnce) {
  Begin(kNever);
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, "small"));
  TakeDown();
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  EXPECT_EQ(Records(".json"), 1U);
  fs_->Release(std::move(file));  // is kept now, and no longer being written
  EXPECT_EQ(Records(".json"), 0U);
  EXPECT_EQ(Kept(), "small");
}

TEST_F(RecorderTest, WhatWasRemovedOrReplacedIsNotRecorded) {
  Begin(kNever);
  auto removed = New("removed"), replaced = New("replaced"), other = New("other");
  EXPECT_TRUE(Put(removed, 0, std::string(kMiB, 'x')));
  EXPECT_TRUE(Put(replaced, 0, std::string(kMiB, 'x')));
  EXPECT_EQ(Records(".json"), 2U);
  EXPECT_TRUE(fs_->Unlink(kRootInode, "removed"));
  EXPECT_EQ(Records(".json"), 1U);
  EXPECT_TRUE(fs_->Rename(kRootInode, "other", kRootInode, "replaced", true));
  EXPECT_EQ(Records(".json"), 0U);
  EXPECT_TRUE(Put(removed, kMiB, std::string(kMiB, 'x')));
  EXPECT_EQ(Records(".json"), 0U);
}

TEST_F(RecorderTest, AnotherMountOnTheSameFolderTakesNothingFromALiveOne) {
  Begin(kNever);
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, std::string(kMiB, 'x')));
  const auto beside = FileSystem::Open(store_, {.staging_dir = staging_, .threads = 4, .clock = &clock_}).value();
  EXPECT_EQ(Kept(), "(nothing)");
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("f").size(), kMiB);
}

// What was not written is the base's, and that was not fetched: the file has zeros there, and says so.
TEST_F(RecorderTest, WhatIsKeptOfAFileWhoseBaseCouldNotBeReadIsNotCalledWhole) {
  Begin(kNever);
  store_->Put("f", std::string(kMiB, 'b'));
  auto file = OpenAs("f", {.write = true});
  EXPECT_TRUE(Put(file, 100, "new"));
  TakeDown();
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  fs_->Release(std::move(file));
  EXPECT_NE(KeptRecord().find("\"whole\": false"), std::string::npos) << KeptRecord();
}

}  // namespace
}  // namespace seamount::vfs
