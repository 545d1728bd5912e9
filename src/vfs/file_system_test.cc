#include "vfs/file_system.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

TEST_F(FileSystemTest, FoldersAreImplicitOrMarked) {
  store_->Put("a/b/c", "x");
  store_->Put("empty/", "");
  EXPECT_EQ(Names(), (std::vector<std::string>{"a", "empty"}));
  EXPECT_EQ(Names("a"), std::vector<std::string>{"b"});
  EXPECT_EQ(Names("empty"), std::vector<std::string>{});
  EXPECT_EQ(Look("a/b").value().kind, Kind::kDirectory);
  EXPECT_EQ(Look("a/b/c").value().size_bytes, 1U);
  EXPECT_EQ(ErrorOf(Look("a/x")), ENOENT);
  EXPECT_EQ(ErrorOf(Look(std::string(256, 'x'))), ENAMETOOLONG);
}

TEST_F(FileSystemTest, AnObjectHiddenByAFolderIsReachable) {
  store_->Put("a", "object");
  store_->Put("a/b", "below");
  EXPECT_EQ(Names(), (std::vector<std::string>{"a", "a\n"}));
  EXPECT_EQ(Look("a").value().kind, Kind::kDirectory);
  EXPECT_EQ(Get(OpenAs("a\n", {})), "object");
}

TEST_F(FileSystemTest, WhatOthersWriteIsSeenAtTheNextOpen) {
  store_->Put("f", "one");
  const uint64_t inode = Inode("f");
  store_->Put("f", "two!");
  auto first = fs_->OpenExisting(inode, {}).value();
  EXPECT_TRUE(first->drop_pages);
  EXPECT_EQ(Get(first), "two!");
  EXPECT_EQ(Inode("f"), inode);  // cp and others compare the number of the path with that of the descriptor
  // While somebody has it open, that one goes on seeing what was opened, and the newest is another file.
  store_->Put("f", "three");
  EXPECT_EQ(ErrorOf(fs_->OpenExisting(inode, {})), ESTALE);  // the kernel looks up again by itself
  EXPECT_NE(Inode("f"), inode);
  EXPECT_EQ(Get(OpenAs("f", {})), "three");
}

TEST_F(FileSystemTest, AttributesAreBelievedForTheTtlOnly) {
  store_->Put("f", "one");
  EXPECT_EQ(Look("f").value().size_bytes, 3U);
  store_->Put("f", "three");
  EXPECT_EQ(Look("f").value().size_bytes, 3U);
  clock_.Advance(std::chrono::seconds(2));
  EXPECT_EQ(Look("f").value().size_bytes, 5U);
}

TEST_F(FileSystemTest, AnOpenFileIsPinnedToItsGeneration) {
  const uint64_t size = 100 << 10;  // more than comes along with the open
  store_->Put("f", std::string(size, 'a'));
  const auto file = OpenAs("f", {});
  store_->Put("f", std::string(size, 'b'));
  EXPECT_EQ(Get(file), "error " + std::to_string(ESTALE));
  EXPECT_TRUE(Get(OpenAs("f", {})) == std::string(size, 'b'));
}

TEST_F(FileSystemTest, ANewFileIsSeenByOthersWholeAtClose) {
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, "half"));
  EXPECT_EQ(store_->Text("f"), "(absent)");
  EXPECT_EQ(Names(), std::vector<std::string>{"f"});  // but here it is
  EXPECT_TRUE(Put(file, 4, " whole"));
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("f"), "half whole");
  fs_->Release(std::move(file));
  EXPECT_EQ(Get(OpenAs("f", {})), "half whole");
}

TEST_F(FileSystemTest, ExclusiveCreationIsExclusiveAcrossMachines) {
  auto file = New("lock", {.write = true, .exclusive = true});
  EXPECT_EQ(store_->Text("lock"), "");
  EXPECT_EQ(ErrorOf(fs_->Create(kRootInode, "lock", {.permissions = 0644}, {.write = true, .exclusive = true})),
            EEXIST);
  store_->SetFault([&](const std::string& operation, const std::string&) -> Result<void> {
    if (operation == "Stat") store_->SetFault(nullptr), store_->Put("race", "theirs");
    return {};
  });
  // Somebody else makes it between our look and our write.
  const auto raced = fs_->Create(kRootInode, "race", {.permissions = 0644}, {.write = true, .exclusive = true});
  EXPECT_EQ(ErrorOf(raced), EEXIST);
  EXPECT_EQ(store_->Text("race"), "theirs");
}

TEST_F(FileSystemTest, OverwritesKeepTheRestOfTheFile) {
  store_->Put("f", "0123456789");
  auto file = OpenAs("f", {.write = true});
  EXPECT_TRUE(Put(file, 3, "abc"));
  EXPECT_EQ(Get(file), "012abc6789");
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("f"), "012abc6789");
  EXPECT_EQ(Get(file), "012abc6789");
}

TEST_F(FileSystemTest, HolesAndTruncationReadAsZeros) {
  store_->Put("f", "0123456789");
  auto file = OpenAs("f", {.write = true});
  EXPECT_TRUE(fs_->Change(file->inode->number, {.size_bytes = 4}, file.get()));
  EXPECT_TRUE(Put(file, 6, "x"));
  const std::string expected("0123\0\0x", 7);
  EXPECT_EQ(Get(file), expected);
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("f"), expected);
  EXPECT_TRUE(fs_->Change(Inode("f"), {.size_bytes = 2}, nullptr));
}

TEST_F(FileSystemTest, TruncationByPathIsDurableOnReturn) {
  store_->Put("f", "0123456789");
  EXPECT_EQ(fs_->Change(Inode("f"), {.size_bytes = 4}, nullptr).value().size_bytes, 4U);
  EXPECT_EQ(store_->Text("f"), "0123");
}

TEST_F(FileSystemTest, AnAppendUploadsTheTailOnly) {
  const std::string big(2 * kMiB, 'a');
  store_->Put("log", big);
  auto file = OpenAs("log", {.write = true});
  store_->TakeReads();
  EXPECT_TRUE(Append(file, "tail"));
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("log"), big + "tail");
  EXPECT_EQ(fs_->stats().uploaded_bytes, 4U);
  EXPECT_TRUE(Append(file, "2"));
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("log"), big + "tail2");
  EXPECT_EQ(fs_->stats().uploaded_bytes, 5U);
  EXPECT_TRUE(store_->TakeReads().empty());
  EXPECT_EQ(Get(file, 2 * kMiB - 2), "aatail2");
  fs_->Release(std::move(file));
  fs_.reset();
  EXPECT_EQ(store_->Keys(), std::vector<std::string>{"log"});  // nothing of the mount's own is left
}

TEST_F(FileSystemTest, AFailedUploadIsEioAndCanBeTriedAgain) {
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, "data"));
  store_->SetFault([](const std::string&, const std::string&) -> Result<void> { return base::Unavailable("down"); });
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  store_->SetFault(nullptr);
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("f"), "data");
}

TEST_F(FileSystemTest, WhatCannotBeUploadedIsKept) {
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, "precious"));
  store_->SetFault([](const std::string&, const std::string&) -> Result<void> { return base::Unavailable("down"); });
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  fs_->Release(std::move(file));
  EXPECT_EQ(Kept(), "precious");
  EXPECT_NE(KeptRecord().find("\"key\": \"f\""), std::string::npos) << KeptRecord();
}

// As cp makes files, onto a server that is full: no empty object is left to pass for the file.
TEST_F(FileSystemTest, AClaimedNameIsGivenBackWhenNothingCouldBeStored) {
  const OpenOptions exclusive{.write = true, .exclusive = true};
  const auto full = [](const std::string& operation, const std::string&) -> Result<void> {
    if (operation == "Write") return base::ResourceExhausted("full");
    return {};
  };
  auto file = New("f", exclusive);
  EXPECT_TRUE(Put(file, 0, "precious"));
  store_->SetFault(full);
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), ENOSPC);
  EXPECT_EQ(store_->Text("f"), "") << "it may still be tried again";
  fs_->Release(std::move(file));
  EXPECT_EQ(store_->Text("f"), "(absent)");
  EXPECT_EQ(Kept(), "precious");
  EXPECT_NE(KeptRecord().find("\"base_generation\": \"\""), std::string::npos) << KeptRecord();
  EXPECT_EQ(ErrorOf(Look("f")), ENOENT);
  EXPECT_TRUE(Names().empty());

  // What is meant to be empty stays, and what others put in its place.
  store_->SetFault(nullptr);
  fs_->Release(New("empty", exclusive));
  EXPECT_EQ(store_->Text("empty"), "");
  auto raced = New("g", exclusive);
  EXPECT_TRUE(Put(raced, 0, "ours"));
  store_->Put("g", "theirs");
  store_->SetFault(full);
  EXPECT_NE(ErrorOf(fs_->Commit(*raced)), 0);
  fs_->Release(std::move(raced));
  EXPECT_EQ(store_->Text("g"), "theirs");

  // Once some of it was stored, the rest may fail: that much stays.
  store_->SetFault(nullptr);
  auto grown = New("h", exclusive);
  EXPECT_TRUE(Put(grown, 0, "first"));
  EXPECT_TRUE(fs_->Commit(*grown));
  EXPECT_TRUE(Append(grown, " and second"));
  store_->SetFault(full);
  fs_->Release(std::move(grown));
  EXPECT_EQ(store_->Text("h"), "first");
  store_->SetFault(nullptr);
}

TEST_F(FileSystemTest, ALostRaceIsEioAndKeepsBothContents) {
  store_->Put("f", "base");
  auto file = OpenAs("f", {.write = true});
  EXPECT_TRUE(Put(file, 0, "mine"));
  store_->Put("f", "theirs");
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  EXPECT_EQ(store_->Text("f"), "theirs");
  EXPECT_EQ(Kept(), "mine");
  fs_->Release(std::move(file));
  EXPECT_EQ(Get(OpenAs("f", {})), "theirs");
}

TEST_F(FileSystemTest, AFileReplacedWhileOpenForWritingLosesTheRace) {
  store_->Put("f", "base");
  auto file = OpenAs("f", {.write = true});
  store_->Put("f", "theirs");
  EXPECT_EQ(ErrorOf(fs_->OpenExisting(file->inode->number, {})), ESTALE);  // notices
  EXPECT_TRUE(Put(file, 0, "mine and longer"));
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  EXPECT_EQ(store_->Text("f"), "theirs");
  EXPECT_EQ(Kept(), "mine and longer");
}

TEST_F(FileSystemTest, UnlinkedFilesAreReadOn) {
  store_->Put("d/f", "content");
  auto file = OpenAs("d/f", {});
  EXPECT_TRUE(fs_->Unlink(Inode("d"), "f"));
  EXPECT_EQ(store_->Text("d/f"), "(absent)");
  EXPECT_EQ(Get(file), "content");
  EXPECT_EQ(Names(), std::vector<std::string>{"d"});  // the folder does not vanish with its last file
  fs_->Release(std::move(file));
  EXPECT_EQ(store_->Keys(), std::vector<std::string>{"d/"});
  EXPECT_TRUE(fs_->RemoveDirectory(kRootInode, "d"));
  EXPECT_TRUE(store_->Keys().empty());
}

TEST_F(FileSystemTest, WritingToAnUnlinkedFileGoesNowhere) {
  auto file = New("f");
  EXPECT_TRUE(fs_->Unlink(kRootInode, "f"));
  EXPECT_TRUE(Put(file, 0, "x"));
  EXPECT_EQ(Get(file), "x");
  EXPECT_TRUE(fs_->Commit(*file));
  fs_->Release(std::move(file));
  EXPECT_TRUE(store_->Keys().empty());
  EXPECT_EQ(Kept(), "(nothing)");
}

TEST_F(FileSystemTest, RenamesKeepOpenHandlesContentAndTime) {
  store_->Put("a", "content");
  store_->Put("b", "old");
  const auto mtime = Look("a").value().mtime;
  auto reader = OpenAs("a", {});
  auto victim = OpenAs("b", {});
  const uint64_t inode = Inode("a");
  EXPECT_EQ(ErrorOf(fs_->Rename(kRootInode, "a", kRootInode, "b", false)), EEXIST);
  EXPECT_TRUE(fs_->Rename(kRootInode, "a", kRootInode, "b", true));
  EXPECT_EQ(store_->Text("a"), "(absent)");
  EXPECT_EQ(store_->Text("b"), "content");
  EXPECT_EQ(Inode("b"), inode);
  EXPECT_EQ(Look("b").value().mtime, mtime);
  EXPECT_EQ(Get(reader), "content");
  EXPECT_EQ(Get(victim), "old");
}

TEST_F(FileSystemTest, ADirtyFileIsUploadedBeforeItIsRenamed) {
  auto file = New("a");
  EXPECT_TRUE(Put(file, 0, "one"));
  EXPECT_TRUE(fs_->Rename(kRootInode, "a", kRootInode, "b", true));
  EXPECT_EQ(store_->Text("b"), "one");
  EXPECT_TRUE(Put(file, 3, " two"));
  EXPECT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(store_->Text("b"), "one two");
  EXPECT_EQ(store_->Keys(), std::vector<std::string>{"b"});
}

TEST_F(FileSystemTest, FoldersAreRenamedWithAllBelow) {
  store_->Put("a/x", "1");
  store_->Put("a/b/y", "2");
  auto reader = OpenAs("a/b/y", {});
  EXPECT_TRUE(fs_->MakeDirectory(kRootInode, "target", {.permissions = 0755}));
  EXPECT_TRUE(fs_->Rename(kRootInode, "a", kRootInode, "target", true));
  EXPECT_EQ(store_->Keys(), (std::vector<std::string>{"target/", "target/b/y", "target/x"}));
  EXPECT_EQ(Get(reader), "2");
  EXPECT_EQ(Get(OpenAs("target/x", {})), "1");
  EXPECT_EQ(ErrorOf(fs_->Rename(kRootInode, "target", Inode("target"), "b", true)), EINVAL);
  store_->Put("other/z", "3");
  EXPECT_EQ(ErrorOf(fs_->Rename(kRootInode, "target", kRootInode, "other", true)), ENOTEMPTY);
}

TEST_F(FileSystemTest, AFolderRenameThatFailsLeavesTheOldFolder) {
  for (int i = 0; i < 20; ++i) store_->Put("a/" + std::to_string(i), "x");
  std::atomic<int> copies = 0;
  store_->SetFault([&](const std::string& operation, const std::string&) -> Result<void> {
    if (operation == "Copy" && ++copies > 10) return base::Unavailable("down");
    return {};
  });
  EXPECT_EQ(ErrorOf(fs_->Rename(kRootInode, "a", kRootInode, "b", true)), EIO);
  const auto keys = store_->Keys();
  EXPECT_EQ(keys.size(), 21U);  // the 20 and the marker
  for (const std::string& key : keys) EXPECT_TRUE(key.starts_with("a/")) << key;
}

TEST_F(FileSystemTest, RmdirRefusesWhatIsNotEmpty) {
  store_->Put("a/x", "1");
  EXPECT_EQ(ErrorOf(fs_->RemoveDirectory(kRootInode, "a")), ENOTEMPTY);
  const uint64_t empty = fs_->MakeDirectory(kRootInode, "e", {.permissions = 0755}).value().inode;
  auto file = fs_->Create(empty, "new", {.permissions = 0644}, {.write = true}).value().file;
  EXPECT_EQ(ErrorOf(fs_->RemoveDirectory(kRootInode, "e")), ENOTEMPTY);  // not uploaded yet, but there
  EXPECT_EQ(ErrorOf(fs_->Unlink(kRootInode, "e")), EISDIR);
  EXPECT_EQ(ErrorOf(fs_->RemoveDirectory(kRootInode, "nothing")), ENOENT);
}

TEST_F(FileSystemTest, AttributesAreKeptInMetadata) {
  store_->Put("f", "x");
  const base::SystemTime time(std::chrono::seconds(1'000'000'000));
  EXPECT_TRUE(fs_->Change(Inode("f"), {.permissions = 0755, .mtime = time}, nullptr));
  EXPECT_EQ(store_->MetadataOf("f")["gcsfuse_mtime"], "2001-09-09T01:46:40.000000000Z");
  EXPECT_EQ(store_->MetadataOf("f")["goog-reserved-posix-mode"], "755");
  clock_.Advance(std::chrono::seconds(2));
  EXPECT_EQ(Look("f").value().mtime, time);
  EXPECT_EQ(Look("f").value().permissions, 0755U);
}

TEST_F(FileSystemTest, SymlinksAreObjectsWithGcsfuseMetadata) {
  EXPECT_TRUE(fs_->MakeSymlink(kRootInode, "l", "../target", {}));
  EXPECT_EQ(store_->MetadataOf("l")["gcsfuse_symlink_target"], "../target");
  clock_.Advance(std::chrono::seconds(2));
  EXPECT_EQ(Look("l").value().kind, Kind::kSymlink);
  EXPECT_EQ(fs_->ReadLink(Inode("l")).value(), "../target");
}

TEST_F(FileSystemTest, TheMountsOwnObjectsAreHidden) {
  store_->Put(".seamount/x", "own");
  EXPECT_TRUE(Names().empty());
  EXPECT_EQ(ErrorOf(Look(".seamount")), ENOENT);
  EXPECT_EQ(ErrorOf(fs_->MakeDirectory(kRootInode, ".seamount", {.permissions = 0755})), EPERM);
}

TEST_F(FileSystemTest, ReadOnlyRefusesEveryChange) {
  store_->Put("f", "x");
  fs_ = FileSystem::Open(store_, {.read_only = true, .clock = &clock_}).value();
  EXPECT_EQ(Get(OpenAs("f", {})), "x");
  EXPECT_EQ(ErrorOf(fs_->OpenExisting(Inode("f"), {.write = true})), EROFS);
  EXPECT_EQ(ErrorOf(fs_->Create(kRootInode, "g", {.permissions = 0644}, {.write = true})), EROFS);
  EXPECT_EQ(ErrorOf(fs_->Unlink(kRootInode, "f")), EROFS);
  EXPECT_EQ(ErrorOf(fs_->MakeDirectory(kRootInode, "d", {.permissions = 0755})), EROFS);
  EXPECT_EQ(ErrorOf(fs_->Rename(kRootInode, "f", kRootInode, "g", true)), EROFS);
  EXPECT_EQ(ErrorOf(fs_->Change(Inode("f"), {.size_bytes = 0}, nullptr)), EROFS);
}

TEST_F(FileSystemTest, GrowingBeyondWhatCanBeStagedIsRefused) {
  store_->Put("f", "text");
  EXPECT_EQ(ErrorOf(fs_->Change(Inode("f"), {.size_bytes = uint64_t{4} << 40}, nullptr)), ENOSPC);
  EXPECT_EQ(store_->Text("f"), "text");
  EXPECT_TRUE(fs_->Change(Inode("f"), {.size_bytes = 2}, nullptr));
}

TEST_F(FileSystemTest, UnmountingUploadsWhatIsDirty) {
  auto file = New("f");
  EXPECT_TRUE(Put(file, 0, "late"));
  EXPECT_TRUE(fs_->CommitAll());
  EXPECT_EQ(store_->Text("f"), "late");
}

TEST_F(FileSystemTest, ForgottenInodesAreReleased) {
  for (int i = 0; i < 100; ++i) store_->Put("d/" + std::to_string(i), "x");
  auto folder = fs_->OpenFolder(Inode("d")).value();
  std::vector<uint64_t> inodes;
  for (const auto& entry : folder->entries) inodes.push_back(fs_->EntryAttributes(*folder, entry)->inode);
  for (const uint64_t inode : inodes) fs_->Forget(inode, 1);
  for (const uint64_t inode : inodes) EXPECT_EQ(ErrorOf(fs_->Stat(inode)), ESTALE);
}

TEST_F(FileSystemTest, NamesBeyondTheLimitAreGivenUpOldestFirst) {
  fs_ = FileSystem::Open(store_, {.staging_dir = staging_, .threads = 4, .most_names = 6, .clock = &clock_}).value();
  for (const char* name : {"d/0", "d/1", "d/2", "d/3", "d/4", "d/5", "e/0"}) store_->Put(name, "x");
  const auto open = OpenAs("d/1", {});
  Look("d/0").value();
  EXPECT_FALSE(fs_->HasSurplusNames());
  Look("e/0").value();
  for (const char* name : {"d/2", "d/3", "d/4", "d/5"}) Look(name).value();
  ASSERT_EQ(fs_->known_names(), 10U);  // with the root and two folders
  EXPECT_TRUE(fs_->HasSurplusNames());
  const auto keys = [&] {
    std::vector<std::string> found;
    for (const auto& name : fs_->SurplusNames(3))
      found.push_back((name.folder == Inode("d") ? "d/" : "e/") + name.name);
    return found;
  };
  EXPECT_EQ(keys(), (std::vector<std::string>{"d/0", "e/0", "d/2"}));  // at most three; d/1 is open
  EXPECT_EQ(keys(), (std::vector<std::string>{"d/3", "d/4", "d/5"}));  // others, if the kernel kept the first
  EXPECT_EQ(keys(), (std::vector<std::string>{"d/0", "e/0", "d/2"}));  // and all around
  for (const char* name : {"d/0", "d/2", "d/3", "d/4"}) {
    const uint64_t inode = Inode(name);
    fs_->Forget(inode, 100);
    EXPECT_EQ(ErrorOf(fs_->Stat(inode)), ESTALE);
  }
  EXPECT_EQ(fs_->known_names(), 6U);
  EXPECT_TRUE(fs_->SurplusNames(3).empty());
  EXPECT_EQ(Get(open), "x");
}

TEST_F(FileSystemTest, EveryErrorCodeHasAnErrno) {
  EXPECT_EQ(ToFault(base::Unavailable("x")).error, EIO);
  EXPECT_EQ(ToFault(base::PermissionDenied("x")).error, EACCES);
  EXPECT_EQ(ToFault(base::PreconditionFailed("x")).error, ESTALE);
  EXPECT_EQ(ToFault(base::ResourceExhausted("x")).error, EIO);  // a question cannot lack room
  EXPECT_EQ(ToChangeFault(base::ResourceExhausted("x")).error, ENOSPC);
  EXPECT_EQ(ToFault(base::Cancelled("x")).error, EINTR);
}

}  // namespace
}  // namespace seamount::vfs
