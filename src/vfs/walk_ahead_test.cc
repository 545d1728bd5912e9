// Files of a folder that is walked.
#include "vfs/walk_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

class WalkAheadTest : public FileSystemTest {
 protected:
  static std::string Name(int i) { return "d/f" + std::to_string(100 + i); }
  void Fill(int count) {
    for (int i = 0; i < count; ++i) store_->Put(Name(i), "content of " + std::to_string(i));
    folder_ = fs_->OpenFolder(Inode("d")).value();
    for (const DirectoryEntry& entry : folder_->entries) (void)fs_->EntryAttributes(*folder_, entry);
    store_->TakeCalls();
  }
  void TearDown() override {
    folder_ = nullptr;  // before its file system
    FileSystemTest::TearDown();
  }
  std::string ReadThrough(int i) {
    auto file = OpenAs(Name(i), {});
    std::string text = Get(file);
    fs_->Release(std::move(file));
    return text;
  }
  std::unique_ptr<OpenDirectory> folder_;
};

TEST_F(WalkAheadTest, FilesOpenedInTurnAreFetchedOnceAndAskedForOnce) {
  Fill(100);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(ReadThrough(i), "content of " + std::to_string(i));
  std::map<std::string, int> reads, looks;
  for (const std::string& call : store_->TakeCalls()) ++(call.starts_with("Read ") ? reads : looks)[call];
  EXPECT_EQ(reads.size(), 100U);
  for (const auto& [call, times] : reads) EXPECT_EQ(times, 1) << call;
  EXPECT_LE(looks.size(), 4U) << "only the first few are asked for";
}

TEST_F(WalkAheadTest, AFileOpenedBeforeIsAlwaysAskedFor) {
  Fill(10);
  for (int i = 0; i < 10; ++i) (void)ReadThrough(i);
  store_->Put(Name(7), "newer");
  EXPECT_EQ(ReadThrough(7), "newer");
}

TEST_F(WalkAheadTest, InAQuietFolderFilesOpenedBeforeAreNotAskedForOneByOne) {
  clock_.Advance(std::chrono::system_clock::now() - clock_.WallNow());
  store_->SetAge(std::chrono::seconds(20));
  Fill(20);
  for (int round = 0; round < 2; ++round) {
    if (round == 1) store_->TakeCalls();
    for (int i = 0; i < 20; ++i) ASSERT_EQ(ReadThrough(i), "content of " + std::to_string(i));
  }
  const auto calls = store_->TakeCalls();
  EXPECT_LE(std::ranges::count_if(calls, [](const std::string& call) { return !call.starts_with("Read "); }), 3);
  // Somebody writes there: from the next listing on, every open asks.
  store_->SetAge(base::Duration::zero());
  store_->Put(Name(3), "newer");
  clock_.Advance(std::chrono::milliseconds(1500));
  for (int i = 0; i < 8; ++i) (void)ReadThrough(i);
  store_->Put(Name(8), "newer");
  EXPECT_EQ(ReadThrough(8), "newer");
}

TEST_F(WalkAheadTest, WhatWasFetchedCountsForTheTtlOnly) {
  Fill(10);
  for (int i = 0; i < 4; ++i) (void)ReadThrough(i);
  store_->Put(Name(5), "newer");
  clock_.Advance(std::chrono::milliseconds(1500));
  EXPECT_EQ(ReadThrough(5), "newer");
}

TEST_F(WalkAheadTest, ALookAtTwoFilesFetchesNoOthers) {
  Fill(10);
  (void)ReadThrough(1);
  (void)ReadThrough(2);
  for (const ReadCall& read : store_->TakeReads()) EXPECT_TRUE(read.key == Name(1) || read.key == Name(2)) << read.key;
}

}  // namespace
}  // namespace seamount::vfs
