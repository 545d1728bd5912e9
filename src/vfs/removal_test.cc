// Removed and renamed names, and those who had asked before.
#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

TEST_F(FileSystemTest, AListingBegunBeforeARemovalBringsNothingBack) {
  ASSERT_TRUE(fs_->MakeDirectory(kRootInode, "x", {.permissions = 0755}));
  store_->Put("f", "1");
  store_->Put("g", "2");
  const auto folder = fs_->OpenFolder(kRootInode).value();
  ASSERT_EQ(folder->entries.size(), 3U);
  ASSERT_TRUE(fs_->RemoveDirectory(kRootInode, "x"));
  ASSERT_TRUE(fs_->Unlink(kRootInode, "f"));
  ASSERT_TRUE(fs_->Rename(kRootInode, "g", kRootInode, "h", true));
  for (const DirectoryEntry& entry : folder->entries) EXPECT_FALSE(fs_->EntryAttributes(*folder, entry)) << entry.name;
  EXPECT_EQ(ErrorOf(Look("x")), ENOENT);
  EXPECT_EQ(ErrorOf(Look("f")), ENOENT);
  EXPECT_EQ(ErrorOf(Look("g")), ENOENT);
  EXPECT_TRUE(fs_->MakeDirectory(kRootInode, "x", {.permissions = 0755}));
}

TEST_F(FileSystemTest, AListingOfAFolderRenamedSinceTellsNothing) {
  store_->Put("d/f", "1");
  const auto folder = fs_->OpenFolder(Inode("d")).value();
  ASSERT_TRUE(fs_->Rename(kRootInode, "d", kRootInode, "e", true));
  EXPECT_FALSE(fs_->EntryAttributes(*folder, folder->entries[0]));
  EXPECT_EQ(Get(OpenAs("e/f", {})), "1");
}

TEST_F(FileSystemTest, ALookupBegunBeforeARemovalBringsNothingBack) {
  store_->Put("f", "1");
  // The lookup's question is answered with the file still there; before the answer comes, it is removed here.
  store_->AfterNext("Stat", [&] { ASSERT_TRUE(fs_->Unlink(kRootInode, "f")); });
  EXPECT_EQ(ErrorOf(Look("f")), ENOENT);
  EXPECT_EQ(store_->Text("f"), "(absent)");
}

TEST_F(FileSystemTest, ALineFeedIsNoSecondName) {
  store_->Put("foo", "hello");
  store_->Put("folder/", "");
  EXPECT_EQ(ErrorOf(Look("foo\n")), ENOENT);
  EXPECT_EQ(ErrorOf(fs_->Unlink(kRootInode, "foo\n")), ENOENT);
  EXPECT_EQ(ErrorOf(fs_->Create(kRootInode, "foo\n", {.permissions = 0644}, {.write = true, .truncate = true})),
            EINVAL);
  EXPECT_EQ(ErrorOf(fs_->Unlink(Inode("folder"), "\n")), ENOENT);
  EXPECT_EQ(store_->Text("foo"), "hello");
  EXPECT_EQ(store_->Text("folder/"), "");
  EXPECT_EQ(ErrorOf(Look("folder\n")), ENOENT);
}

TEST_F(FileSystemTest, AHiddenObjectHasItsOwnNameWhenTheFolderGoes) {
  store_->Put("a", "object");
  store_->Put("a/", "");
  auto file = OpenAs("a\n", {.write = true});
  ASSERT_TRUE(fs_->RemoveDirectory(kRootInode, "a"));
  EXPECT_EQ(ErrorOf(Look("a\n")), ENOENT);
  EXPECT_EQ(Look("a").value().inode, file->inode->number);
  EXPECT_TRUE(Put(file, 0, "OBJECT"));
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("a"), "OBJECT");
}

TEST_F(FileSystemTest, AnObjectInAFoldersPlaceDoesNotPushOutWhatIsBeingWritten) {
  store_->Put("d/old", "1");
  auto file = fs_->Create(Inode("d"), "new", {.permissions = 0644}, {.write = true}).value().file;
  EXPECT_TRUE(Put(file, 0, "content"));
  store_->Remove("d/old");
  store_->Put("d", "somebody's object");
  clock_.Advance(std::chrono::seconds(2));
  const auto folder = fs_->OpenFolder(kRootInode).value();
  for (const DirectoryEntry& entry : folder->entries) (void)fs_->EntryAttributes(*folder, entry);
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("d/new"), "content");
}

TEST_F(FileSystemTest, AFolderReplacedByARenameTakesAttributesToNoEffect) {
  store_->Put("a/f", "1");
  ASSERT_TRUE(fs_->MakeDirectory(kRootInode, "b", {.permissions = 0755}));
  const uint64_t replaced = Inode("b");
  ASSERT_TRUE(fs_->Rename(kRootInode, "a", kRootInode, "b", true));
  EXPECT_TRUE(fs_->Change(replaced, {.permissions = 0700}, nullptr));
  EXPECT_EQ(Look("b").value().permissions, 0755U);
  EXPECT_EQ(store_->Keys(), (std::vector<std::string>{"b/", "b/f"}));
}

TEST_F(FileSystemTest, RewindingShowsTheFolderAsItIsNow) {
  store_->Put("f", "1");
  auto folder = fs_->OpenFolder(kRootInode).value();
  store_->Put("g", "2");
  ASSERT_TRUE(fs_->Unlink(kRootInode, "f"));
  ASSERT_TRUE(fs_->Rewind(*folder));
  ASSERT_EQ(folder->entries.size(), 1U);
  EXPECT_EQ(folder->entries[0].name, "g");
}

TEST_F(FileSystemTest, AFolderReadLongAfterItWasOpenedIsListedAnew) {
  store_->Put("f", "1");
  const auto folder = fs_->OpenFolder(kRootInode).value();
  EXPECT_TRUE(fs_->IsCurrent(*folder));
  (void)New("g");
  EXPECT_FALSE(fs_->IsCurrent(*folder));
  ASSERT_TRUE(fs_->Rewind(*folder));
  EXPECT_TRUE(fs_->IsCurrent(*folder));
  clock_.Advance(std::chrono::seconds(2));
  EXPECT_FALSE(fs_->IsCurrent(*folder));
}

TEST_F(FileSystemTest, AFolderThatTookLongToListIsNotListedTwice) {
  store_->Put("f", "1");
  store_->SetFault([&](const std::string& operation, const std::string& key) -> Result<void> {
    if (operation == "List" && key.empty()) clock_.Advance(std::chrono::seconds(3));
    return {};
  });
  EXPECT_TRUE(fs_->IsCurrent(*fs_->OpenFolder(kRootInode).value()));
  store_->SetFault(nullptr);
}

TEST_F(FileSystemTest, ALinksTargetMustBeUtf8) {
  EXPECT_EQ(ErrorOf(fs_->MakeSymlink(kRootInode, "l", "\xff", {})), EILSEQ);
  EXPECT_EQ(ErrorOf(Look("l")), ENOENT);
}

TEST_F(FileSystemTest, LookingUpBesideForgettingNeverGivesAForgottenInode) {
  store_->Put("f", "1");
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) {
      if (const auto found = fs_->Lookup(kRootInode, "f")) fs_->Forget(found->inode, 1);
    }
  });
  for (int i = 0; i < 20'000; ++i) {
    const auto found = fs_->Lookup(kRootInode, "f");
    ASSERT_TRUE(found);
    ASSERT_EQ(ErrorOf(fs_->Stat(found->inode)), 0) << "after " << i;
    fs_->Forget(found->inode, 1);
  }
  stop = true;
  other.join();
}

}  // namespace
}  // namespace seamount::vfs
