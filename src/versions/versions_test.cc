// Saving and restoring on a store in memory, with others at work in between.
#include "versions/testing/versions_fixture.h"

namespace seamount::versions {
namespace {

TEST_F(Versions, AFolderThereAndBack) {
  Put(model_ / "weights" / "model.safetensors", Noise(30 << 20, 1));
  Put(model_ / "weights" / "again.safetensors", Noise(30 << 20, 1));
  Put(model_ / "config.json", "{}");
  Put(model_ / "empty", "");
  Put(model_ / "run.sh", "#!/bin/sh");
  fs::permissions(model_ / "run.sh", fs::perms::owner_exec, fs::perm_options::add);
  fs::create_directories(model_ / "nothing" / "in it");
  fs::create_symlink("weights/model.safetensors", model_ / "latest");
  const auto saved = SaveAs("v1");
  ASSERT_TRUE(saved) << saved.error().ToString();
  EXPECT_LT(saved->sent_bytes, uint64_t{31} << 20) << "the same content twice is sent once";
  EXPECT_EQ(Keys(kSaves).size(), 0U);

  const auto restored = RestoreTo("v1", "back");
  ASSERT_TRUE(restored) << restored.error().ToString();
  EXPECT_EQ(TreeOf(folder_ / "back"), TreeOf(model_));
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "back" / "run.sh").c_str(), &status), 0);
  EXPECT_NE(status.st_mode & S_IXUSR, 0U);

  store_.before = [](const StoreCall& which) -> Result<void> {
    if (IsChunk(which, CallKind::kRead)) return base::Internal("what is there was fetched");
    return {};
  };
  const auto again = RestoreTo("v1", "back");
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(again->kept_files, again->files);
}

TEST_F(Versions, AChangedLayerIsSentAlone) {
  std::string weights = Noise(48 << 20, 2);
  Put(model_ / "w", weights);
  ASSERT_TRUE(SaveAs("v1"));
  weights.replace(24 << 20, 1 << 20, Noise(1 << 20, 3));
  weights.insert(8, "a longer header");
  Put(model_ / "w", weights);
  const auto saved = SaveAs("v2");
  ASSERT_TRUE(saved) << saved.error().ToString();
  EXPECT_LE(saved->sent_chunks, 5U) << "of " << saved->chunks;
  EXPECT_GE(saved->chunks, 8U);
  const auto diff = Diff(LoadVersion(store_, "v1", {})->manifest, LoadVersion(store_, "v2", {})->manifest);
  ASSERT_EQ(diff.size(), 1U);
  EXPECT_EQ(diff[0].new_bytes, saved->sent_bytes);
  ASSERT_TRUE(RestoreTo("v2", "back"));
  EXPECT_EQ(TreeOf(folder_ / "back"), TreeOf(model_));
}

TEST_F(Versions, AVersionNeverChanges) {
  Put(model_ / "w", "one");
  ASSERT_TRUE(SaveAs("v1"));
  const auto repeated = SaveAs("v1");
  ASSERT_TRUE(repeated) << repeated.error().ToString();
  EXPECT_TRUE(repeated->existed);
  Put(model_ / "w", "two");
  const auto other = SaveAs("v1");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kPreconditionFailed);
  EXPECT_NE(other.error().message().find("choose another name"), std::string::npos);
}

// Two save different things under one name at one time: the later learns it, and the earlier stands.
TEST_F(Versions, OfTwoWhoSaveOneNameOneIsRefused) {
  Put(model_ / "w", "mine");
  Put(folder_ / "other" / "w", "theirs");
  bool inside = false;
  store_.before = [&](const StoreCall& which) -> Result<void> {
    if (inside || which.kind != CallKind::kWrite || which.key != VersionKey("v1")) return {};
    inside = true;
    const auto theirs = Save(store_, {.folder = folder_ / "other", .name = "v1"}, {});
    return theirs ? Result<void>() : theirs.error();
  };
  const auto mine = SaveAs("v1");
  ASSERT_FALSE(mine);
  EXPECT_EQ(mine.error().code(), ErrorCode::kPreconditionFailed);
  ASSERT_TRUE(RestoreTo("v1", "back"));
  EXPECT_EQ(Get(folder_ / "back" / "w"), "theirs");
}

TEST_F(Versions, ABrokenSaveLeavesNoVersionAndIsGoneOnWith) {
  Put(model_ / "w", Noise(40 << 20, 4));
  std::atomic<int> writes = 0;
  store_.before = [&](const StoreCall& which) -> Result<void> {
    if (IsChunk(which, CallKind::kWrite) && ++writes > 3) return base::Unavailable("the line is cut");
    return {};
  };
  const auto broken = Save(store_, {.folder = model_, .name = "v1", .connections = 2}, {});
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(Keys(kVersions).empty());
  const size_t there = Keys(kChunks).size();
  EXPECT_EQ(there, 3U);
  writes = -1000;
  const auto saved = SaveAs("v1");
  ASSERT_TRUE(saved) << saved.error().ToString();
  EXPECT_EQ(saved->sent_chunks, saved->chunks - there);
}

TEST_F(Versions, ABrokenRestoreShowsNoHalfFileAndIsGoneOnWith) {
  Put(model_ / "w", Noise(40 << 20, 5));
  ASSERT_TRUE(SaveAs("v1"));
  const size_t chunks = Keys(kChunks).size();
  std::atomic<size_t> reads = 0;
  store_.before = [&](const StoreCall& which) -> Result<void> {
    if (IsChunk(which, CallKind::kRead) && ++reads > 2) return base::Unavailable("the line is cut");
    return {};
  };
  ASSERT_FALSE(RestoreTo("v1", "back", {.connections = 1}));
  EXPECT_FALSE(fs::exists(folder_ / "back" / "w"));
  reads = 0;
  store_.before = [&](const StoreCall& which) -> Result<void> {
    reads += IsChunk(which, CallKind::kRead) ? 1 : 0;
    return {};
  };
  ASSERT_TRUE(RestoreTo("v1", "back"));
  EXPECT_EQ(reads, chunks - 2);
  EXPECT_EQ(TreeOf(folder_ / "back"), TreeOf(model_));
}

TEST_F(Versions, RestoringReplacesNothingUnasked) {
  Put(model_ / "a", "new a");
  Put(model_ / "b", "new b");
  ASSERT_TRUE(SaveAs("v1"));
  Put(folder_ / "back" / "b", "old b");
  Put(folder_ / "back" / "mine", "mine");
  const auto refused = RestoreTo("v1", "back");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPreconditionFailed);
  EXPECT_FALSE(fs::exists(folder_ / "back" / "a"));
  EXPECT_EQ(Get(folder_ / "back" / "b"), "old b");
  ASSERT_TRUE(RestoreTo("v1", "back", {.overwrite = true}));
  EXPECT_EQ(Get(folder_ / "back" / "b"), "new b");
  EXPECT_EQ(Get(folder_ / "back" / "mine"), "mine");
}

// Whoever saves while a training writes to the file gets no mixture.
TEST_F(Versions, AFileThatChangesMeanwhileIsRefused) {
  for (const bool shorter : {false, true}) {
    Put(model_ / "w", Noise(40 << 20, 7));
    File file{.path = "w"};
    const auto change = [&](const Bytes&) -> Result<void> {
      if (shorter) {
        fs::resize_file(model_ / "w", 1);
      } else {
        std::ofstream(model_ / "w", std::ios::binary | std::ios::app) << "more";
      }
      return {};
    };
    const auto read = ReadChunks(model_, file, change, {});
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), ErrorCode::kPreconditionFailed) << read.error().ToString();
    EXPECT_NE(read.error().message().find("changed while it was read"), std::string::npos);
  }
}

// As the ranks of a training do that load one model on one machine.
TEST_F(Versions, TwoWhoRestoreToOneFolderFollowOneAnother) {
  Put(model_ / "w", Noise(20 << 20, 6));
  ASSERT_TRUE(SaveAs("v1"));
  std::atomic<size_t> reads = 0;
  store_.before = [&](const StoreCall& which) -> Result<void> {
    reads += IsChunk(which, CallKind::kRead) ? 1 : 0;
    return {};
  };
  const auto restore = [&] {
    const auto restored = RestoreTo("v1", "back");
    EXPECT_TRUE(restored) << restored.error().ToString();
  };
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 3; ++rank) ranks.emplace_back(restore);
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(reads, Keys(kChunks).size());
  EXPECT_EQ(TreeOf(folder_ / "back"), TreeOf(model_));
}

// Nothing is freed while it is not known what a version needs.
TEST_F(Versions, AManifestThatCannotBeReadIsNamedAndStopsFreeing) {
  Put(model_ / "w", "content");
  ASSERT_TRUE(SaveAs("v1"));
  ASSERT_TRUE(store_.Write(VersionKey("v1"), store::BytesSource("{"), {}, {}));
  const auto freed = FreeUnneeded(store_, {}, {});
  ASSERT_FALSE(freed);
  EXPECT_EQ(freed.error().code(), ErrorCode::kDataLoss);
  EXPECT_NE(freed.error().message().find("object 'versions/v1.json'"), std::string::npos);
  EXPECT_EQ(Keys(kChunks).size(), 1U);
}

// A link of an earlier version must not lead what is restored to another place.
TEST_F(Versions, NothingIsWrittenThroughALink) {
  Put(model_ / "a" / "w", "content");
  ASSERT_TRUE(SaveAs("v1"));
  fs::create_directories(folder_ / "elsewhere");
  fs::create_directories(folder_ / "back");
  fs::create_directory_symlink(folder_ / "elsewhere", folder_ / "back" / "a");
  for (const bool overwrite : {false, true}) {
    const auto refused = RestoreTo("v1", "back", {.overwrite = overwrite});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("back/a' is no folder"), std::string::npos) << refused.error().message();
  }
  EXPECT_TRUE(fs::is_empty(folder_ / "elsewhere"));
}

TEST_F(Versions, ModesAreSetWithoutFetching) {
  Put(model_ / "run.sh", "#!/bin/sh");
  fs::permissions(model_ / "run.sh", fs::perms::owner_exec, fs::perm_options::add);
  ASSERT_TRUE(SaveAs("v1"));
  Put(folder_ / "back" / "run.sh", "#!/bin/sh");
  const auto restored = RestoreTo("v1", "back");
  ASSERT_TRUE(restored) << restored.error().ToString();
  EXPECT_EQ(restored->kept_files, 1U);
  EXPECT_NE(fs::status(folder_ / "back" / "run.sh").permissions() & fs::perms::owner_exec, fs::perms::none);
}

TEST_F(Versions, AFolderMayEndWithASlash) {
  Put(model_ / "a" / "w", "content");
  ASSERT_TRUE(Save(store_, {.folder = model_.string() + "/", .name = "v1"}, {}));
  ASSERT_NE(LoadVersion(store_, "v1", {})->manifest.FindFile("a/w"), nullptr);
  ASSERT_TRUE(RestoreTo("v1", "back/"));
  EXPECT_EQ(TreeOf(folder_ / "back"), TreeOf(model_));
}

TEST_F(Versions, APartOfAVersion) {
  Put(model_ / "a" / "x", "x");
  Put(model_ / "a" / "y", "y");
  Put(model_ / "ab", "z");
  ASSERT_TRUE(SaveAs("v1"));
  ASSERT_TRUE(RestoreTo("v1", "one", {.path = "a/x"}));
  EXPECT_EQ(TreeOf(folder_ / "one"), (std::map<std::string, std::string>{{"a", "folder"}, {"a/x", "x"}}));
  ASSERT_TRUE(RestoreTo("v1", "some", {.path = "a/"}));
  EXPECT_EQ(TreeOf(folder_ / "some").size(), 3U);
  const auto none = RestoreTo("v1", "none", {.path = "a/z"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
}

TEST_F(Versions, DamageIsFoundAndNamed) {
  Put(model_ / "w", "content");
  ASSERT_TRUE(SaveAs("v1"));
  const std::string key = Keys(kChunks).at(0);
  ASSERT_TRUE(store_.Write(key, store::BytesSource("CONTENT"), {}, {}));
  const auto damaged = RestoreTo("v1", "back");
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code(), ErrorCode::kDataLoss);
  EXPECT_NE(damaged.error().message().find("file 'w'"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "back" / "w"));
  // A save of the same content mends it.
  ASSERT_TRUE(SaveAs("v2"));
  ASSERT_TRUE(RestoreTo("v1", "back"));
}

TEST_F(Versions, WhatCannotBeHeldIsRefused) {
  Put(model_ / "w", "content");
  fs::create_symlink("/etc/passwd", model_ / "out");
  const auto out = SaveAs("v1");
  ASSERT_FALSE(out);
  EXPECT_NE(out.error().message().find("'out' leads to '/etc/passwd'"), std::string::npos);
  fs::remove(model_ / "out");
  ASSERT_EQ(::mkfifo((model_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(SaveAs("v1").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(Keys("").empty());
}

}  // namespace
}  // namespace seamount::versions
