// Owners, modes and times: what is kept where, and when they advance.
#include <gtest/gtest.h>

#include <thread>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

using std::chrono::seconds;

TEST_F(FileSystemTest, ChangedAttributesUploadNoContent) {
  store_->Put("f", std::string(kMiB, 'x'));
  const Attributes before = Look("f").value();
  clock_.Advance(seconds(10));
  store_->TakeCalls();
  const Attributes after = fs_->Change(before.inode, {.permissions = 0600, .uid = 7}, nullptr).value();
  for (const std::string& call : store_->TakeCalls()) EXPECT_EQ(call, "Patch f");
  EXPECT_EQ(after.mtime, before.mtime) << "a changed mode is no changed content";
  EXPECT_GT(after.ctime, before.ctime);
  EXPECT_EQ(store_->MetadataOf("f")["goog-reserved-posix-mode"], "600");
  clock_.Advance(seconds(10));
  EXPECT_EQ(Look("f").value().mtime, before.mtime);
  EXPECT_EQ(Look("f").value().uid, 7U);
}

TEST_F(FileSystemTest, AttributesOfAFileBeingWrittenGoUpWithIt) {
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, "data"));
  store_->TakeCalls();
  EXPECT_TRUE(fs_->Change(file->inode->number, {.permissions = 0640}, nullptr));
  EXPECT_TRUE(store_->TakeCalls().empty());
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->MetadataOf("f")["goog-reserved-posix-mode"], "640");
  // Nothing is being written any more, so nothing has to be waited for.
  EXPECT_TRUE(fs_->Change(file->inode->number, {.permissions = 0600}, file.get()));
  EXPECT_EQ(store_->MetadataOf("f")["goog-reserved-posix-mode"], "600");
  EXPECT_EQ(store_->Text("f"), "data");
}

TEST_F(FileSystemTest, AChangeOfAReplacedFileIsForTheNewOne) {
  store_->Put("f", "one");
  const uint64_t old = Inode("f");
  store_->Put("f", "two");
  EXPECT_EQ(ErrorOf(fs_->Change(old, {.permissions = 0600}, nullptr)), ESTALE);  // the kernel looks up again by itself
  EXPECT_NE(Inode("f"), old);
  EXPECT_TRUE(fs_->Change(Inode("f"), {.permissions = 0600}, nullptr));
  EXPECT_EQ(store_->Text("f"), "two");
}

TEST_F(FileSystemTest, FoldersKeepAttributesOnTheirMarker) {
  EXPECT_TRUE(fs_->MakeDirectory(kRootInode, "made", {.permissions = 0700, .uid = 5, .gid = 6}));
  EXPECT_EQ(store_->MetadataOf("made/")["goog-reserved-posix-mode"], "700");
  store_->Put("implicit/f", "x");
  const base::SystemTime time(seconds(12));
  EXPECT_TRUE(fs_->Change(Inode("implicit"), {.permissions = 01777, .mtime = time}, nullptr));
  EXPECT_EQ(store_->Text("implicit/"), "");
  clock_.Advance(seconds(10));
  EXPECT_EQ(Look("implicit").value().permissions, 01777U);
  EXPECT_EQ(Look("implicit").value().mtime, time);
  EXPECT_TRUE(fs_->Rename(kRootInode, "implicit", kRootInode, "renamed", true));
  // A listing tells them too: a folder must not look more open in it than it is.
  clock_.Advance(seconds(10));
  const auto folder = fs_->OpenFolder(kRootInode).value();
  ASSERT_EQ(folder->entries.size(), 2U);
  const auto made = fs_->EntryAttributes(*folder, folder->entries[0]);
  const auto renamed = fs_->EntryAttributes(*folder, folder->entries[1]);
  ASSERT_TRUE(made && renamed);
  EXPECT_EQ(made->permissions, 0700U);
  EXPECT_EQ(made->uid, 5U);
  EXPECT_EQ(made->gid, 6U);
  EXPECT_EQ(renamed->permissions, 01777U);
}

TEST_F(FileSystemTest, AnotherMachinesMarkerIsNoLostRace) {
  store_->Put("d/f", "x");
  const uint64_t folder = Inode("d");
  store_->Put("d/", "");
  EXPECT_TRUE(fs_->Change(folder, {.permissions = 0750}, nullptr));
  EXPECT_EQ(store_->MetadataOf("d/")["goog-reserved-posix-mode"], "750");
}

TEST_F(FileSystemTest, FoldersTimesAdvanceWithTheirEntries) {
  EXPECT_TRUE(fs_->MakeDirectory(kRootInode, "d", {.permissions = 0755}));
  EXPECT_TRUE(fs_->MakeDirectory(kRootInode, "e", {.permissions = 0755}));
  const uint64_t d = Inode("d"), e = Inode("e");
  // Stat does not ask the store about a folder, so what it says is the mount's own.
  auto advanced = [&, last = base::SystemTime()](uint64_t folder) mutable {
    const Attributes now = fs_->Stat(folder).value();
    const bool later = now.mtime > last && now.ctime > last;
    last = now.mtime;
    clock_.Advance(std::chrono::hours(1));
    return later;
  };
  clock_.Advance(std::chrono::years(100));  // beyond what the store's own clock says
  fs_->Release(fs_->Create(d, "f", {.permissions = 0644}, {.write = true}).value().file);
  EXPECT_TRUE(advanced(d));
  EXPECT_TRUE(fs_->Rename(d, "f", e, "g", true));
  EXPECT_TRUE(advanced(d));
  EXPECT_TRUE(fs_->MakeDirectory(d, "sub", {.permissions = 0755}));
  EXPECT_TRUE(advanced(d));
  EXPECT_TRUE(fs_->RemoveDirectory(d, "sub"));
  EXPECT_TRUE(advanced(d));
  EXPECT_TRUE(fs_->Unlink(e, "g"));
  EXPECT_TRUE(advanced(e));
  EXPECT_FALSE(advanced(d)) << "nothing happened in it";
}

TEST_F(FileSystemTest, NewEntriesBelongToWhoMadeThem) {
  auto file = fs_->Create(kRootInode, "f", {.permissions = 0600, .uid = 7, .gid = 8}, {.write = true}).value().file;
  fs_->Release(std::move(file));
  EXPECT_TRUE(fs_->MakeDirectory(kRootInode, "shared", {.permissions = 02775, .uid = 7, .gid = 100}));
  EXPECT_TRUE(fs_->MakeDirectory(Inode("shared"), "sub", {.permissions = 0755, .uid = 9, .gid = 9}));
  clock_.Advance(seconds(10));
  EXPECT_EQ(Look("f").value().uid, 7U);
  EXPECT_EQ(Look("f").value().gid, 8U);
  EXPECT_EQ(Look("shared/sub").value().uid, 9U);
  EXPECT_EQ(Look("shared/sub").value().gid, 100U) << "the group of a setgid folder";
  EXPECT_EQ(Look("shared/sub").value().permissions, 02755U);
}

TEST_F(FileSystemTest, WhatHasNoNameHasNoLinks) {
  store_->Put("f", "x");
  store_->Put("g", "y");
  const auto unlinked = OpenAs("f", {}), replaced = OpenAs("g", {});
  EXPECT_EQ(fs_->Stat(unlinked->inode->number).value().links, 1U);
  EXPECT_TRUE(fs_->Unlink(kRootInode, "f"));
  store_->Put("h", "z");
  EXPECT_TRUE(fs_->Rename(kRootInode, "h", kRootInode, "g", true));
  EXPECT_EQ(fs_->Stat(unlinked->inode->number).value().links, 0U);
  EXPECT_EQ(fs_->Stat(replaced->inode->number).value().links, 0U);
}

TEST_F(FileSystemTest, PipesSocketsAndDevicesAreKept) {
  EXPECT_TRUE(fs_->MakeSpecial(kRootInode, "pipe", {.kind = Kind::kFifo}, {.permissions = 0600}));
  EXPECT_TRUE(fs_->MakeSpecial(kRootInode, "null", {Kind::kCharacterDevice, {1, 3}}, {.permissions = 0666}));
  EXPECT_EQ(store_->MetadataOf("null")["seamount_special"], "char 1:3");
  clock_.Advance(seconds(10));
  EXPECT_EQ(Look("pipe").value().kind, Kind::kFifo);
  EXPECT_EQ(Look("null").value().kind, Kind::kCharacterDevice);
  EXPECT_EQ(Look("null").value().device, (Device{1, 3}));
  EXPECT_EQ(Look("null").value().permissions, 0666U);
  EXPECT_TRUE(fs_->Rename(kRootInode, "pipe", kRootInode, "p2", true));
  EXPECT_EQ(Look("p2").value().kind, Kind::kFifo);
}

TEST_F(FileSystemTest, WhatWasBelowARemovedFolderHasNoKey) {
  store_->Put("a/b/f", "x");
  const auto file = OpenAs("a/b/f", {.write = true});
  ASSERT_TRUE(store_->Remove("a/b/f"));  // by another machine, and its folders with it
  clock_.Advance(seconds(10));
  EXPECT_EQ(ErrorOf(Look("a")), ENOENT);
  EXPECT_TRUE(Put(file, 0, "late"));
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  EXPECT_TRUE(store_->Keys().empty()) << store_->Keys()[0];
  EXPECT_EQ(Kept(), "late");
}

TEST_F(FileSystemTest, FilesOfARenamedFolderKeepTheirTimes) {
  store_->Put("a/f", "x");  // without a time of its own in the metadata
  const auto before = Look("a/f").value().mtime;
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the store's clock is the machine's
  EXPECT_TRUE(fs_->Rename(kRootInode, "a", kRootInode, "b", true));
  EXPECT_EQ(Look("b/f").value().mtime, before);
}

TEST_F(FileSystemTest, ReadersOfARenamedFileNeverLoseIt) {
  store_->Put("d/f", std::string(100, 'x'));
  const auto file = OpenAs("d/f", {});
  std::string seen;
  store_->SetFault([&](const std::string& operation, const std::string& key) -> Result<void> {
    // The copy is there and the old object is going: what somebody reads just then.
    if (operation == "Delete" && key == "d/f") {
      EXPECT_TRUE(store_->Remove(key));
      seen = Get(file);
      store_->Put(key, "somebody else's by now");
    }
    return {};
  });
  EXPECT_EQ(ErrorOf(fs_->Rename(kRootInode, "d", kRootInode, "e", true)), EIO);  // not all that is there was renamed
  EXPECT_EQ(seen, std::string(100, 'x'));
  store_->SetFault([&](const std::string& operation, const std::string& key) -> Result<void> {
    if (operation == "Delete" && key == "e/f") {
      store_->SetFault(nullptr);
      EXPECT_TRUE(store_->Remove(key));
      seen = Get(file);
    }
    return {};
  });
  EXPECT_TRUE(fs_->Rename(Inode("e"), "f", kRootInode, "g", true));
  EXPECT_EQ(seen, std::string(100, 'x'));
}

TEST_F(FileSystemTest, AFoldersRenameComesToItsTurn) {
  store_->Put("a/f", "x");
  store_->SetFault([](const std::string& operation, const std::string&) -> Result<void> {
    if (operation == "Write") std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {};
  });
  std::atomic<bool> renamed = false;
  std::atomic<int> left = 4;
  std::vector<std::jthread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      for (int n = 0; n < 1000 && !renamed; ++n) {
        auto file = New("w" + std::to_string(i));
        EXPECT_TRUE(Put(file, 0, "x"));
        EXPECT_TRUE(fs_->Commit(*file));
        fs_->Release(std::move(file));
        EXPECT_TRUE(fs_->Unlink(kRootInode, "w" + std::to_string(i)));
      }
      --left;
    });
  }
  EXPECT_TRUE(fs_->Rename(kRootInode, "a", kRootInode, "b", true));
  renamed = true;
  EXPECT_GT(left, 0) << "the rename waited for everybody else to be done";
}

}  // namespace
}  // namespace seamount::vfs
