#include "vfs/list_ahead.h"

#include <gtest/gtest.h>

#include <random>

#include "vfs/file_system_fixture.h"

namespace seamount::vfs {
namespace {

using std::chrono::milliseconds;

class ListAheadTest : public testing::Test {
 protected:
  static std::string Folder(int i) { return "d/" + std::to_string(100 + i) + "/"; }
  void Fill(int folders) {
    for (int i = 0; i < folders; ++i) {
      store_->Put(Folder(i), "");
      store_->Put(Folder(i) + "a", "1");
      store_->Put(Folder(i) + "sub/b", "2");
    }
  }
  ListAhead::Told List(const std::string& folder, ListAhead::For use = ListAhead::For::kReading) {
    return ahead_.ListFolder({.prefix = folder, .delimiter = "/", .include_trailing_delimiter = true}, use, {}).value();
  }
  std::vector<std::string> Keys(const std::string& folder) {
    std::vector<std::string> keys;
    for (const auto& object : List(folder).page.objects) keys.push_back(object.key);
    return keys;
  }
  size_t Asked() { return store_->TakeCalls().size(); }
  void Walk() {
    for (int i = 0; i < 5; ++i) (void)List(Folder(i));
    (void)Asked();
  }

  base::FakeClock clock_;
  std::shared_ptr<TestStore> store_ = std::make_shared<TestStore>();
  ListAhead ahead_{store_, clock_, std::chrono::seconds(1)};
};

TEST_F(ListAheadTest, AWalkThroughATreeListsManyFoldersAtOnce) {
  Fill(300);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(Keys(Folder(i)), (std::vector<std::string>{Folder(i), Folder(i) + "a"}));
    EXPECT_EQ(Keys(Folder(i) + "sub/"), std::vector<std::string>{Folder(i) + "sub/b"});
  }
  EXPECT_LE(Asked(), 5U);
}

TEST_F(ListAheadTest, WhoLooksIntoAFewFoldersAsksForThem) {
  Fill(20);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(List(Folder(i)).age.count(), 0);
  }
  EXPECT_EQ(Asked(), 30U);
}

TEST_F(ListAheadTest, AFolderIsReadOnceOnly) {
  Fill(20);
  Walk();
  (void)List(Folder(7));
  EXPECT_EQ(Asked(), 0U);
  store_->Put(Folder(7) + "new", "elsewhere");
  EXPECT_EQ(List(Folder(7), ListAhead::For::kLookup).page.objects.size(), 2U);
  EXPECT_EQ(Asked(), 0U) << "names may be old";
  EXPECT_EQ(Keys(Folder(7)).size(), 3U);
  EXPECT_EQ(Asked(), 1U);
}

TEST_F(ListAheadTest, CountsForTheTtlOnly) {
  Fill(20);
  Walk();
  clock_.Advance(milliseconds(600));
  EXPECT_EQ(List(Folder(7)).age, milliseconds(600));
  clock_.Advance(milliseconds(600));
  EXPECT_EQ(List(Folder(8)).age.count(), 0);
}

TEST_F(ListAheadTest, WhatIsChangedHereIsKnownAtOnce) {
  Fill(20);
  Walk();
  (void)ahead_.Write(Folder(7) + "new", store::BytesSource("x"), {}, {}).value();
  (void)ahead_.Delete(Folder(8) + "a", {}, {}).value();
  (void)ahead_.Copy(Folder(1) + "a", Folder(9) + "copy", {}, {}).value();
  (void)ahead_.Move(Folder(10) + "a", Folder(11) + "moved", {}, {}).value();
  EXPECT_EQ(Keys(Folder(7)).size(), 3U);
  EXPECT_EQ(Keys(Folder(8)).size(), 1U);
  EXPECT_EQ(Keys(Folder(9)).size(), 3U);
  EXPECT_EQ(Keys(Folder(10)).size(), 1U);
  EXPECT_EQ(Keys(Folder(11)).size(), 3U);
}

TEST_F(ListAheadTest, WhatIsChangedWhileTheStoreIsAskedEndsTheAnswer) {
  Fill(20);
  for (int i = 0; i < 4; ++i) (void)List(Folder(i));
  store_->SetFault([&](const std::string& operation, const std::string&) -> Result<void> {
    if (operation != "List") return {};
    store_->SetFault(nullptr);
    (void)ahead_.Write(Folder(9) + "new", store::BytesSource("x"), {}, {}).value();
    return {};
  });
  (void)List(Folder(4));
  (void)Asked();
  EXPECT_EQ(Keys(Folder(9)).size(), 3U);
  EXPECT_EQ(Asked(), 1U);
}

TEST_F(ListAheadTest, AFolderLongerThanAStretchIsAskedForAsUsual) {
  Fill(20);
  for (int i = 0; i < 1500; ++i) store_->Put("d/long/" + std::to_string(10'000 + i), "");
  Walk();
  EXPECT_EQ(List("d/long/").page.objects.size(), 1000U);
  EXPECT_EQ(Asked(), 2U);
  EXPECT_FALSE(List("d/long/").page.next_page_token.empty());
  EXPECT_EQ(Asked(), 1U) << "known to be too long";
}

// Against the store itself, with names that sort around the slash.
TEST_F(ListAheadTest, AnswersAsTheStoreDoes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<std::string> names = {"a", "a.b", "a-", "a0", "b", "\xC3\xA9", "z!"};
  std::set<std::string> folders = {""};
  for (int i = 0; i < 2000; ++i) {
    std::string key;
    while (random() % 3 != 0) {
      key += names[random() % names.size()] + "/";
      folders.insert(key);
    }
    store_->Put(key.empty() || random() % 4 != 0 ? key + names[random() % names.size()] : key, "");
  }
  for (int round = 0; round < 3; ++round) {
    for (const std::string& folder : folders) {
      const store::ListOptions options{.prefix = folder, .delimiter = "/", .include_trailing_delimiter = true};
      const store::ListPage expected = store::ListAll(*store_, options, {}).value();
      const ListAhead::Told told = ahead_.ListFolder(options, ListAhead::For::kReading, {}).value();
      EXPECT_EQ(told.page.prefixes, expected.prefixes) << folder;
      ASSERT_EQ(told.page.objects.size(), expected.objects.size()) << folder;
      for (size_t i = 0; i < expected.objects.size(); ++i) {
        EXPECT_EQ(told.page.objects[i].key, expected.objects[i].key);
        EXPECT_TRUE(told.page.objects[i].generation == expected.objects[i].generation);
      }
    }
    clock_.Advance(std::chrono::seconds(2));
  }
}

class WalkedTreeTest : public FileSystemTest {};

TEST_F(WalkedTreeTest, ATreeIsListedInAFewRequests) {
  for (int i = 0; i < 100; ++i) store_->Put("t/" + std::to_string(100 + i) + "/f", "x");
  store_->TakeCalls();
  for (const std::string& folder : Names("t")) EXPECT_EQ(Names("t/" + folder), std::vector<std::string>{"f"});
  EXPECT_LE(store_->TakeCalls().size(), 12U);
}

}  // namespace
}  // namespace seamount::vfs
