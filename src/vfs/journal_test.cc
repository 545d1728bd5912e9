#include "vfs/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

namespace seamount::vfs {
namespace {

// A killed mount is one whose journal ends while its entries do not: its files stay and its lock is gone.
class JournalTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/vfs_journal-XXXXXX";
    root_ = mkdtemp(name.data());
    ASSERT_TRUE(staging_.emplace(root_).Prepare());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  base::Fd Written(const std::string& text) {
    base::Fd file = staging_->Create().value();
    EXPECT_EQ(pwrite(file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return file;
  }
  static std::unique_ptr<Journal::Entry> Recorded(Journal& journal, const base::Fd& file, const std::string& key) {
    return journal.Record(file, {.source = "gs://lab", .key = key, .base_generation = "7", .reason = "killed"}).value();
  }
  // Without its end: its mount is killed. (Kept where leak checkers see it.)
  static Journal::Entry& Killed(std::unique_ptr<Journal::Entry> entry) {
    static auto* all = new std::vector<Journal::Entry*>;
    all->push_back(entry.release());
    return *all->back();
  }
  // Name up to its first dot, and its ending → content.
  std::map<std::string, std::string> In(const std::string& folder) {
    std::map<std::string, std::string> all;
    if (!std::filesystem::exists(root_ / folder)) return all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path());
      const std::string name = entry.path().filename(), end = entry.path().extension();
      const bool record = end == ".json" || end == ".uploaded";
      all[name.substr(0, name.find('.')) + (record ? end : "")] = {std::istreambuf_iterator(file), {}};
    }
    return all;
  }
  size_t OpenFolders() {
    const std::filesystem::path open = root_ / "open";
    return std::filesystem::exists(open)
               ? static_cast<size_t>(std::distance(std::filesystem::directory_iterator(open), {}))
               : 0;
  }
  void TakeOver() { Journal(*staging_).TakeOver(); }

  std::filesystem::path root_;
  std::optional<StagingFolder> staging_;
};

TEST_F(JournalTest, WhatAKilledMountWasWritingIsKeptWithItsRecord) {
  {
    Journal killed(*staging_);
    const base::Fd file = Written("an hour's work");
    Killed(Recorded(killed, file, "runs/a"));
    ASSERT_EQ(pwrite(file.get(), " and more", 9, 14), 9);
  }
  TakeOver();
  auto kept = In("kept");
  EXPECT_EQ(kept["runs_a"], "an hour's work and more");
  for (const char* part : {"\"source\": \"gs://lab\"", "\"key\": \"runs/a\"", "\"base_generation\": \"7\"",
                           "\"reason\": \"killed\"", "\"whole\": true"}) {
    EXPECT_NE(kept["runs_a.json"].find(part), std::string::npos) << part << " in " << kept["runs_a.json"];
  }
  EXPECT_EQ(kept["runs_a.json"].find("size_bytes"), std::string::npos);  // it was still growing
  EXPECT_EQ(kept.size(), 2U);
  EXPECT_EQ(OpenFolders(), 0U);
}

TEST_F(JournalTest, ALiveMountsFilesAreNotTaken) {
  Journal alive(*staging_);
  const base::Fd file = Written("x");
  auto entry = Recorded(alive, file, "f");
  TakeOver();
  EXPECT_TRUE(In("kept").empty());
  EXPECT_EQ(In("open")["f"], "x");
  entry = nullptr;
  EXPECT_TRUE(In("open").empty());
}

TEST_F(JournalTest, NothingIsLeftByAMountThatEnds) {
  {
    Journal journal(*staging_);
    const base::Fd file = Written("x");
    const auto entry = Recorded(journal, file, "f");
    EXPECT_EQ(OpenFolders(), 1U);
  }
  EXPECT_EQ(OpenFolders(), 0U);
  TakeOver();
  EXPECT_TRUE(In("kept").empty());
}

TEST_F(JournalTest, WhatTheBucketHasIsNotKept) {
  {
    Journal killed(*staging_);
    const base::Fd uploaded = Written("safe"), again = Written("safe, and more");
    Killed(Recorded(killed, uploaded, "uploaded")).Uploaded();
    Journal::Entry& entry = Killed(Recorded(killed, again, "old"));
    entry.Uploaded();
    EXPECT_FALSE(entry.waits());
    ASSERT_TRUE(entry.Renew({.source = "gs://lab", .key = "renamed since"}));
    EXPECT_TRUE(entry.waits());
  }
  TakeOver();
  auto kept = In("kept");
  EXPECT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept["renamed since"], "safe, and more");
  EXPECT_NE(kept["renamed since.json"].find("\"key\": \"renamed since\""), std::string::npos);
  EXPECT_EQ(OpenFolders(), 0U);
}

// As on a disk without O_TMPFILE: a file that had a name once and has none cannot be given one again.
TEST_F(JournalTest, WhatCannotBeNamedIsCopiedAndWrittenOnInTheCopy) {
  std::string name = root_ / "staged-XXXXXX";
  const base::Fd file(mkostemp(name.data(), O_CLOEXEC));
  ASSERT_EQ(unlink(name.c_str()), 0);
  ASSERT_EQ(pwrite(file.get(), "begin", 5, 0), 5);
  ASSERT_EQ(pwrite(file.get(), "end", 3, 1 << 20), 3);  // behind a hole
  {
    Journal killed(*staging_);
    Killed(Recorded(killed, file, "f"));
    ASSERT_EQ(pwrite(file.get(), "later", 5, (1 << 20) + 3), 5);
  }
  TakeOver();
  std::string expected(1 << 20, '\0');
  expected.replace(0, 5, "begin");
  EXPECT_TRUE(In("kept")["f"] == expected + "endlater");
}

// Killed between the two steps of recording, or of taking over.
TEST_F(JournalTest, AFileWithoutARecordIsKeptAndARecordWithoutAFileIsNot) {
  std::filesystem::create_directories(root_ / "open" / "left");
  std::ofstream(root_ / "open" / "left" / "alone.1") << "bytes";
  std::ofstream(root_ / "open" / "left" / "never.1.json") << "{}";
  std::ofstream(root_ / "open" / "left" / "done.1.uploaded") << "{}";
  TakeOver();
  EXPECT_EQ(In("kept"), (std::map<std::string, std::string>{{"alone", "bytes"}}));
  EXPECT_EQ(OpenFolders(), 0U);
}

TEST_F(JournalTest, NothingIsRecordedOrTakenBehindALink) {
  std::filesystem::create_directories(root_ / "elsewhere" / "folder");
  std::ofstream(root_ / "elsewhere" / "folder" / "precious") << "mine";
  std::filesystem::create_directory_symlink(root_ / "elsewhere", root_ / "open");
  TakeOver();
  EXPECT_TRUE(In("kept").empty());
  Journal journal(*staging_);
  EXPECT_FALSE(journal.Record(Written("x"), {.key = "f"}));
  EXPECT_EQ(In("elsewhere").size(), 1U);
}

}  // namespace
}  // namespace seamount::vfs
