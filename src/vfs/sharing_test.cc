// Two mounts of one bucket.
#include <gtest/gtest.h>

#include <thread>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

class SharingTest : public FileSystemTest {
 protected:
  void SetUp() override {
    FileSystemTest::SetUp();
    other_ = FileSystem::Open(store_, {.staging_dir = staging_ + "/other", .threads = 4, .clock = &clock_}).value();
  }
  void TearDown() override {
    other_.reset();
    FileSystemTest::TearDown();
  }
  uint64_t Elsewhere(const std::string& name) { return other_->Lookup(kRootInode, name).value().inode; }

  std::unique_ptr<FileSystem> other_;
};

TEST_F(SharingTest, AttributesChangedElsewhereDisturbNeitherReadersNorWriters) {
  store_->Put("f", std::string(3 * kMiB, 'a'));
  const auto reader = OpenAs("f", {});
  auto writer = OpenAs("f", {.write = true});
  ASSERT_TRUE(Put(writer, 0, "b"));
  ASSERT_TRUE(other_->Change(Elsewhere("f"), {.permissions = 0600}, nullptr));
  EXPECT_EQ(Get(reader, 2 * kMiB, 1), "a");
  EXPECT_TRUE(fs_->Commit(*writer));
  EXPECT_EQ(store_->Text("f").substr(0, 2), "ba");
  EXPECT_EQ(Kept(), "(nothing)");
}

TEST_F(SharingTest, OfTwoWhoRenameOneFileOneSucceeds) {
  for (int i = 0; i < 50; ++i) {
    const std::string job = "job" + std::to_string(i);
    store_->Put(job, "work");
    clock_.Advance(std::chrono::seconds(2));  // what is not there is believed for as long
    (void)Inode(job);
    (void)Elsewhere(job);
    Outcome<void> theirs;
    std::thread rival([&] { theirs = other_->Rename(kRootInode, job, kRootInode, job + "-theirs", true); });
    const Outcome<void> mine = fs_->Rename(kRootInode, job, kRootInode, job + "-mine", true);
    rival.join();
    EXPECT_NE(mine.has_value(), theirs.has_value()) << job;
    EXPECT_EQ(ErrorOf(mine) + ErrorOf(theirs), ENOENT) << job;
  }
  EXPECT_EQ(store_->Keys().size(), 50U);
}

TEST_F(SharingTest, HeadersStayWhenAFileIsRewritten) {
  (void)store_->Write("f", store::BytesSource("text"),
                      {.content_type = "text/html",
                       .headers = {.cache_control = "no-store", .content_encoding = "gzip", .content_language = "de"}},
                      {});
  auto writer = OpenAs("f", {.write = true});
  ASSERT_TRUE(Append(writer, " and more"));
  ASSERT_TRUE(fs_->Commit(*writer));
  const auto info = store_->Stat("f", {}).value().value();
  EXPECT_EQ(info.headers.cache_control, "no-store");
  EXPECT_EQ(info.headers.content_language, "de");
  EXPECT_EQ(info.headers.content_encoding, "") << "it was said of other bytes";
  EXPECT_EQ(info.content_type, "text/html");
}

TEST_F(SharingTest, ANewFileHasTheTypeThatItsNameSays) {
  for (const auto& [name, type] :
       {std::pair("a.JSON", "application/json"), std::pair("b", "application/octet-stream")}) {
    auto file = New(name);
    ASSERT_TRUE(Put(file, 0, "{}"));
    ASSERT_TRUE(fs_->Commit(*file));
    EXPECT_EQ(store_->Stat(name, {}).value()->content_type, type);
  }
}

TEST_F(SharingTest, ALongUploadHoldsUpNoOtherFolder) {
  store_->Put("a/x", "1");
  store_->Put("b/y", "2");
  auto file = fs_->Create(Inode("a"), "slow", {.permissions = 0644}, {.write = true}).value().file;
  ASSERT_TRUE(Put(file, 0, "content"));
  std::atomic<bool> uploading = false, release = false;
  store_->SetFault([&](const std::string& operation, const std::string& key) -> Result<void> {
    if (operation != "Write" || key != "a/slow") return {};
    uploading = true;
    uploading.notify_all();
    release.wait(false);
    return {};
  });
  std::thread closing([&] { EXPECT_TRUE(fs_->Commit(*file)); });
  uploading.wait(false);
  EXPECT_TRUE(fs_->Rename(kRootInode, "b", kRootInode, "c", true));
  EXPECT_TRUE(fs_->MakeDirectory(Inode("a"), "made", {.permissions = 0755}));
  release = true;
  release.notify_all();
  closing.join();
  store_->SetFault(nullptr);
  EXPECT_EQ(store_->Text("a/slow"), "content");
}

TEST_F(SharingTest, WhoWaitsCanBeInterrupted) {
  store_->Put("f", "1");
  auto file = OpenAs("f", {.write = true});
  std::stop_source stop;
  stop.request_stop();
  const CallContext context{.stop = stop.get_token()};
  EXPECT_EQ(ErrorOf(fs_->Read(*file, 0, 1, context)), EINTR);
  EXPECT_EQ(ErrorOf(fs_->Lookup(kRootInode, "other", context)), EINTR);
  EXPECT_EQ(ErrorOf(fs_->OpenFolder(kRootInode, context)), EINTR);
  EXPECT_EQ(Get(file), "1");
  // What was written stays to be uploaded.
  ASSERT_TRUE(Put(file, 0, "2"));
  EXPECT_EQ(ErrorOf(fs_->Commit(*file, context)), EINTR);
  fs_->Release(std::move(file));
  EXPECT_EQ(store_->Text("f"), "2");
}

}  // namespace
}  // namespace seamount::vfs
