// Big files that are sent while they are written.
#include "vfs/part_upload.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

std::string Pattern(uint64_t size) {
  std::string text(size, '\0');
  for (uint64_t i = 0; i < size; i += 512) text[i] = static_cast<char>(i * 2654435761U >> 24);
  return text;
}

class PartUploadTest : public FileSystemTest {
 protected:
  void PutAll(const std::unique_ptr<OpenFile>& file, const std::string& text) {
    for (uint64_t at = 0; at < text.size(); at += 4 * kMiB) {
      ASSERT_TRUE(Put(file, at, std::string_view(text).substr(at, 4 * kMiB)));
    }
  }
  int Count(const std::string& call) {
    int count = 0;
    for (const std::string& each : store_->TakeCalls()) count += each.starts_with(call) ? 1 : 0;
    return count;
  }
};

TEST_F(PartUploadTest, WhatIsWrittenInOrderGoesInPartsAndArrivesWhole) {
  const std::string text = Pattern(67 * kMiB + 5);
  auto file = New("f");
  PutAll(file, text);
  ASSERT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(Count("Write .seamount/"), 9);
  EXPECT_EQ(store_->Parts(), 9);
  EXPECT_TRUE(store_->Text("f") == text);
  EXPECT_EQ(Get(file, 10 * kMiB, 3), text.substr(10 * kMiB, 3));
  fs_->Release(std::move(file));
  fs_.reset();  // and with it what it has under way
  EXPECT_EQ(store_->Keys(), std::vector<std::string>{"f"});
}

TEST_F(PartUploadTest, MorePartsThanOneComposeTakesAreComposedInGroups) {
  const std::string text = Pattern(300 * kMiB);
  auto file = New("f");
  PutAll(file, text);
  ASSERT_TRUE(fs_->Commit(*file));
  EXPECT_EQ(Count("Compose "), 2);  // 32 parts; that group and the last 6
  EXPECT_TRUE(store_->Text("f") == text);
  fs_->Release(std::move(file));
  fs_.reset();
  EXPECT_EQ(store_->Keys(), std::vector<std::string>{"f"});
}

TEST_F(PartUploadTest, WhatIsWrittenAgainIsNotTakenFromAnEarlierPart) {
  std::string text = Pattern(40 * kMiB);
  auto file = New("f");
  PutAll(file, text);
  ASSERT_TRUE(Put(file, 5, "changed"));
  text.replace(5, 7, "changed");
  ASSERT_TRUE(fs_->Commit(*file));
  EXPECT_TRUE(store_->Text("f") == text);
  fs_->Release(std::move(file));
  fs_.reset();
  EXPECT_EQ(store_->Keys(), std::vector<std::string>{"f"});
}

TEST_F(PartUploadTest, AFailedPartIsEioAndAllIsThereTheNextTime) {
  const std::string text = Pattern(40 * kMiB);
  auto file = New("f");
  store_->SetFault([](const std::string& operation, const std::string& key) -> Result<void> {
    if (operation == "Write" && key.starts_with(".seamount/")) return base::Unavailable("down");
    return {};
  });
  PutAll(file, text);
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  EXPECT_EQ(store_->Text("f"), "(absent)");
  store_->SetFault(nullptr);
  ASSERT_TRUE(fs_->Commit(*file));
  EXPECT_TRUE(store_->Text("f") == text);
}

TEST_F(PartUploadTest, AnInterruptedCloseUploadsLater) {
  const std::string text = Pattern(40 * kMiB);
  auto file = New("f");
  PutAll(file, text);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(ErrorOf(fs_->Commit(*file, {.stop = stop.get_token()})), EINTR);
  fs_->Release(std::move(file));
  EXPECT_TRUE(store_->Text("f") == text);
  EXPECT_EQ(Kept(), "(nothing)");
}

// Another file's parts are ahead of it, and its server answers none of them.
TEST_F(PartUploadTest, ACloseIsEndedAlthoughAnotherFilesPartsLieAhead) {
  std::latch answers(1);
  std::atomic<bool> held = false;
  store_->SetFault([&](const std::string& operation, const std::string&) -> Result<void> {
    if (operation != "Write") return {};
    held = true;
    answers.wait();
    return base::Unavailable("down");
  });
  auto large = New("large");
  PutAll(large, Pattern(250 * kMiB));
  while (!held) std::this_thread::yield();
  auto small = New("small");
  PutAll(small, Pattern(40 * kMiB));
  std::stop_source stop;
  stop.request_stop();
  // 24 threads hold parts of the first; none of the second has begun.
  EXPECT_EQ(ErrorOf(fs_->Commit(*small, {.stop = stop.get_token()})), EINTR);
  answers.count_down();
  store_->SetFault(nullptr);
  fs_->Release(std::move(small));
  fs_->Release(std::move(large));
}

TEST_F(PartUploadTest, TheFirstPartThatFailsEndsTheWhole) {
  std::atomic<int> tried = 0;
  store_->SetFault([&](const std::string& operation, const std::string& key) -> Result<void> {
    if (operation != "Write" || !key.starts_with(".seamount/")) return {};
    ++tried;
    return base::Unavailable("down");
  });
  auto file = New("f");
  PutAll(file, Pattern(300 * kMiB));
  EXPECT_EQ(ErrorOf(fs_->Commit(*file)), EIO);
  EXPECT_LE(tried, 24);  // what had begun by then
  store_->SetFault(nullptr);
  fs_->Release(std::move(file));
}

}  // namespace
}  // namespace seamount::vfs
