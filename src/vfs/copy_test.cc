// Files that the bucket copies by itself.
#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

constexpr uint64_t kAll = 1 << 30;

class CopyTest : public FileSystemTest {
 protected:
  uint64_t Copied(const std::unique_ptr<OpenFile>& from, const std::unique_ptr<OpenFile>& to, uint64_t at = 0,
                  uint64_t length = kAll) {
    return fs_->CopyRange(*from, at, *to, at, length).value();
  }
  // Commits, and says which of these calls it took.
  std::string CommitBy(const std::unique_ptr<OpenFile>& file) {
    (void)store_->TakeCalls();
    EXPECT_TRUE(fs_->Commit(*file));
    std::string all;
    for (const std::string& call : store_->TakeCalls()) all += call.substr(0, call.find(' ')) + " ";
    return all;
  }
};

TEST_F(CopyTest, AWholeFileIsCopiedByTheBucket) {
  store_->Put("model", std::string(3 << 20, 'm'));
  const auto from = OpenAs("model", {});
  const auto to = fs_->Create(kRootInode, "copy", {.permissions = 0640}, {.write = true}).value().file;
  (void)store_->TakeReads();
  EXPECT_EQ(Copied(from, to), 3U << 20);
  EXPECT_EQ(Look("copy")->size_bytes, 3U << 20);
  EXPECT_EQ(store_->Text("copy"), "(absent)");
  EXPECT_EQ(CommitBy(to), "Copy ");
  EXPECT_TRUE(store_->TakeReads().empty());
  EXPECT_EQ(store_->Text("copy"), store_->Text("model"));
  EXPECT_EQ(Look("copy")->permissions, 0640U);
  EXPECT_GE(Look("copy")->mtime, clock_.WallNow());
  EXPECT_EQ(Get(OpenAs("copy", {}), 0, 2), "mm");
  // The handle goes on as any other.
  EXPECT_TRUE(Put(to, 1, "odel"));
  EXPECT_TRUE(fs_->Commit(*to));
  EXPECT_EQ(store_->Text("copy").substr(0, 6), "modelm");
  EXPECT_EQ(store_->Text("model").substr(0, 6), "mmmmmm");
}

TEST_F(CopyTest, AnEmptiedOrClaimedFileIsCopiedInto) {
  store_->Put("a", "new");
  store_->Put("b", "old");
  const auto from = OpenAs("a", {});
  const auto emptied = OpenAs("b", {.write = true, .truncate = true});
  const auto claimed = New("c", {.write = true, .exclusive = true});  // as cp makes it: the name is an empty object
  for (const auto* to : {&emptied, &claimed}) {
    EXPECT_EQ(Copied(from, *to), 3U);
    EXPECT_EQ(CommitBy(*to), "Copy ");
  }
  EXPECT_EQ(store_->Text("b"), "new");
  EXPECT_EQ(store_->Text("c"), "new");
}

// The kernel takes less than 4 GiB at once.
TEST_F(CopyTest, AFileIsCopiedInPieces) {
  store_->Put("a", "0123456789");
  const auto from = OpenAs("a", {});
  const auto to = New("b", {.read = true, .write = true});
  EXPECT_EQ(Copied(from, to, 0, 4), 4U);
  EXPECT_EQ(Get(to), "0123");
  EXPECT_EQ(Copied(from, to, 4, 3), 3U);
  EXPECT_EQ(Copied(from, to, 7), 3U);
  EXPECT_EQ(Copied(from, to, 10), 0U);
  EXPECT_EQ(Get(to), "0123456789");
  EXPECT_EQ(CommitBy(to), "Copy ");
  EXPECT_EQ(store_->Text("b"), "0123456789");
}

TEST_F(CopyTest, ACopyThatIsMoreOrLessIsWritten) {
  store_->Put("a", "0123456789");
  const auto from = OpenAs("a", {});
  const auto part = New("part");
  EXPECT_EQ(Copied(from, part, 0, 4), 4U);
  EXPECT_EQ(CommitBy(part), "Write ");
  EXPECT_EQ(store_->Text("part"), "0123");
  const auto changed = New("changed");
  EXPECT_EQ(Copied(from, changed), 10U);
  EXPECT_TRUE(Put(changed, 2, "xy"));
  EXPECT_TRUE(fs_->Commit(*changed));
  EXPECT_EQ(store_->Text("changed"), "01xy456789");
  const auto longer = New("longer");
  EXPECT_EQ(Copied(from, longer), 10U);
  EXPECT_TRUE(Append(longer, "!"));
  EXPECT_TRUE(fs_->Commit(*longer));
  EXPECT_EQ(store_->Text("longer"), "0123456789!");
  const auto emptied = New("emptied");
  EXPECT_EQ(Copied(from, emptied), 10U);
  EXPECT_TRUE(fs_->Change(emptied->inode->number, {.size_bytes = 0}, emptied.get()));
  EXPECT_TRUE(Put(emptied, 0, "other"));
  EXPECT_TRUE(fs_->Commit(*emptied));
  EXPECT_EQ(store_->Text("emptied"), "other");
}

TEST_F(CopyTest, WhatTheBucketDoesNotHaveIsReadAndWritten) {
  store_->Put("a", "0123456789");
  store_->Put("full", "x");
  const auto from = OpenAs("a", {});
  const auto written = New("written");
  EXPECT_TRUE(Put(written, 0, "w"));
  const auto to = New("to");
  const auto refused = [&](const auto& source, uint64_t at, const auto& target, uint64_t to_at) {
    return ErrorOf(fs_->CopyRange(*source, at, *target, to_at, kAll)) == EOPNOTSUPP;
  };
  EXPECT_TRUE(refused(from, 0, to, 3));
  EXPECT_TRUE(refused(from, 3, to, 0));
  EXPECT_TRUE(refused(from, 3, to, 3));
  EXPECT_TRUE(refused(OpenAs("written", {}), 0, to, 0));  // not in the bucket yet
  EXPECT_TRUE(refused(from, 0, written, 0));
  EXPECT_TRUE(refused(from, 1, written, 1));
  EXPECT_TRUE(refused(from, 0, OpenAs("full", {.write = true}), 0));
  const auto both = OpenAs("a", {.read = true, .write = true});
  EXPECT_TRUE(refused(from, 0, both, 0));
}

TEST_F(CopyTest, ABucketThatDoesNotCopyGetsTheBytes) {
  store_->Put("a", "0123456789");
  const auto from = OpenAs("a", {});
  const auto to = New("b");
  EXPECT_EQ(Copied(from, to), 10U);
  store_->SetFault([](const std::string& operation, const std::string&) -> Result<void> {
    if (operation == "Copy") return base::PermissionDenied("no");
    return {};
  });
  EXPECT_TRUE(fs_->Commit(*to));
  EXPECT_EQ(store_->Text("b"), "0123456789");
}

TEST_F(CopyTest, ASourceThatWasRenamedOrRemovedIsStillCopied) {
  store_->Put("a", "0123456789");
  const auto from = OpenAs("a", {});
  const auto first = New("first");
  EXPECT_EQ(Copied(from, first), 10U);
  EXPECT_TRUE(fs_->Rename(kRootInode, "a", kRootInode, "renamed", true));
  EXPECT_TRUE(fs_->Commit(*first));
  EXPECT_EQ(store_->Text("first"), "0123456789");
  const auto second = New("second");
  EXPECT_EQ(Copied(from, second), 10U);
  EXPECT_TRUE(fs_->Unlink(kRootInode, "renamed"));
  EXPECT_TRUE(fs_->Commit(*second));
  EXPECT_EQ(store_->Text("second"), "0123456789");
}

// It is not overwritten, and close says so.
TEST_F(CopyTest, ATargetThatSomebodyElseMadeStays) {
  store_->Put("a", "0123456789");
  const auto from = OpenAs("a", {});
  const auto to = New("b");
  EXPECT_EQ(Copied(from, to), 10U);
  store_->Put("b", "theirs");
  EXPECT_EQ(ErrorOf(fs_->Commit(*to)), EIO);
  EXPECT_EQ(store_->Text("b"), "theirs");
}

}  // namespace
}  // namespace seamount::vfs
