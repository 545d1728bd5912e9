// Names answered from a listing of their folder.
#include "vfs/listing.h"

#include <gtest/gtest.h>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

using std::chrono::milliseconds;

TEST(Listing, SpeaksOfWhatLiesWhollyInItsPage) {
  Listing listing{.from = "b", .last = "m-x"};
  EXPECT_FALSE(listing.SpeaksOf("a"));
  EXPECT_TRUE(listing.SpeaksOf("b"));
  EXPECT_TRUE(listing.SpeaksOf("c\n"));
  EXPECT_TRUE(listing.SpeaksOf("m-"));
  EXPECT_FALSE(listing.SpeaksOf("m"));  // "m/", its folder, would come after "m-x"
  EXPECT_FALSE(listing.SpeaksOf("m-x"));
  listing.last.reset();
  EXPECT_TRUE(listing.SpeaksOf("zzz"));
}

class ListingTest : public FileSystemTest {
 protected:
  // Names enough for the folder to count as walked.
  void Walk(uint64_t folder) {
    for (int i = 0; i < 8; ++i) (void)fs_->Lookup(folder, "none" + std::to_string(i));
    store_->TakeCalls();
  }
  std::vector<std::string> Calls() { return store_->TakeCalls(); }
};

TEST_F(ListingTest, AWalkedFolderAnswersFromOnePage) {
  for (int i = 0; i < 50; ++i) store_->Put("d/f" + std::to_string(i), "x");
  store_->Put("d/sub/x", "y");
  const uint64_t folder = Inode("d");
  Walk(folder);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(fs_->Lookup(folder, "f" + std::to_string(i)).value().size_bytes, 1U);
  EXPECT_EQ(fs_->Lookup(folder, "sub").value().kind, Kind::kDirectory);
  EXPECT_EQ(ErrorOf(fs_->Lookup(folder, "nothing")), ENOENT);
  EXPECT_LE(Calls().size(), 2U);
}

TEST_F(ListingTest, WhatIsMadeAndRemovedHereIsKnownAtOnce) {
  const uint64_t folder = fs_->MakeDirectory(kRootInode, "d", {.permissions = 0755}).value().inode;
  Walk(folder);
  auto file = fs_->Create(folder, "new", {.permissions = 0644}, {.write = true}).value();
  EXPECT_TRUE(fs_->Commit(*file.file));
  fs_->Release(std::move(file.file));
  fs_->Forget(file.attributes.inode, 1);  // the kernel knows it no more, and the listing is older
  EXPECT_TRUE(fs_->Lookup(folder, "new"));
  ASSERT_TRUE(fs_->Unlink(folder, "new"));
  EXPECT_EQ(ErrorOf(fs_->Lookup(folder, "new")), ENOENT);
}

TEST_F(ListingTest, WhatAnotherMachineMakesIsSeenAtOnceByWhoIsNotSearching) {
  store_->Put("d/first", "x");
  const uint64_t folder = Inode("d");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "f" + std::to_string(i);
    store_->Put("d/" + name, "x");
    EXPECT_TRUE(fs_->Lookup(folder, name)) << name;
    if (i == 10) (void)fs_->OpenFolder(folder);
  }
}

TEST_F(ListingTest, CountsForTheTtlOnly) {
  store_->Put("d/a", "x");
  const uint64_t folder = Inode("d");
  Walk(folder);
  store_->Put("d/theirs", "y");
  store_->Remove("d/a");
  clock_.Advance(milliseconds(1500));
  EXPECT_TRUE(fs_->Lookup(folder, "theirs"));
  EXPECT_EQ(ErrorOf(fs_->Lookup(folder, "a")), ENOENT);
}

TEST_F(ListingTest, MakingManyFilesIsOneRequestEach) {
  const uint64_t folder = fs_->MakeDirectory(kRootInode, "d", {.permissions = 0755}).value().inode;
  Walk(folder);
  for (int i = 0; i < 20; ++i) {
    const std::string name = "f" + std::to_string(i);
    EXPECT_EQ(ErrorOf(fs_->Lookup(folder, name)), ENOENT);  // as the kernel does before it creates
    auto made = fs_->Create(folder, name, {.permissions = 0644}, {.write = true}).value();
    EXPECT_TRUE(Put(made.file, 0, "text"));
    EXPECT_TRUE(fs_->Commit(*made.file));
    fs_->Release(std::move(made.file));
  }
  EXPECT_EQ(Calls().size(), 20U);
}

TEST_F(ListingTest, AListingThatIsReadAnswersLookupsMeanwhile) {
  for (int i = 0; i < 100; ++i) store_->Put("d/f" + std::to_string(i), "x");
  const auto folder = fs_->OpenFolder(Inode("d")).value();
  store_->TakeCalls();
  for (const DirectoryEntry& entry : folder->entries) {
    clock_.Advance(milliseconds(100));  // ten seconds for all
    EXPECT_TRUE(fs_->EntryAttributes(*folder, entry));
    EXPECT_TRUE(fs_->Lookup(folder->inode, "f99"));
  }
  EXPECT_TRUE(Calls().empty());
}

TEST_F(ListingTest, ALongFolderWithAllAttributesIsItsPagesAndNoMore) {
  for (int i = 0; i < 2500; ++i) store_->Put("d/f" + std::to_string(i), "x");
  const uint64_t inode = Inode("d");
  store_->TakeCalls();
  const auto folder = fs_->OpenFolder(inode).value();
  ASSERT_EQ(folder->entries.size(), 2500U);
  for (const DirectoryEntry& entry : folder->entries) EXPECT_TRUE(fs_->EntryAttributes(*folder, entry));
  EXPECT_EQ(Calls(), std::vector<std::string>(3, "List d/"));
}

TEST_F(ListingTest, WithoutATtlEveryNameIsAskedFor) {
  fs_ = FileSystem::Open(store_, {.staging_dir = staging_, .attribute_ttl = {}, .clock = &clock_}).value();
  store_->Put("d/a", "x");
  const uint64_t folder = Inode("d");
  Walk(folder);
  store_->Put("d/b", "x");
  EXPECT_TRUE(fs_->Lookup(folder, "b"));
  store_->Remove("d/b");
  EXPECT_EQ(ErrorOf(fs_->Lookup(folder, "b")), ENOENT);
}

}  // namespace
}  // namespace seamount::vfs
