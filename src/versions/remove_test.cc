// Removing and freeing while others save, tag and restore.
#include "versions/testing/versions_fixture.h"

namespace seamount::versions {
namespace {

TEST_F(Versions, RemovalKeepsWhatOthersNeed) {
  Put(model_ / "shared", "shared");
  Put(model_ / "own", "of v1");
  ASSERT_TRUE(SaveAs("v1"));
  Put(model_ / "own", "of version 2");
  ASSERT_TRUE(SaveAs("v2"));
  EXPECT_EQ(BytesOfItsOwn(*LoadVersions(store_, {}), "v1"), 5U);
  ASSERT_TRUE(store_.Write("chunks/notes.txt", store::BytesSource("not ours"), {}, {}));
  ASSERT_TRUE(RemoveVersion(store_, "v1", {}));
  EXPECT_EQ(RemoveVersion(store_, "v1", {}).error().code(), ErrorCode::kNotFound);

  const auto early = FreeUnneeded(store_, kSaveTime, {});
  ASSERT_TRUE(early) << early.error().ToString();
  EXPECT_EQ(early->chunks, 0U);
  EXPECT_EQ(early->waiting_bytes, 5U);
  const auto late = FreeUnneeded(store_, {}, {});
  ASSERT_TRUE(late) << late.error().ToString();
  EXPECT_EQ(late->chunks, 1U);
  EXPECT_EQ(late->bytes, 5U);
  EXPECT_TRUE(Keys(kRemoved).empty());
  EXPECT_EQ(Keys("chunks/notes.txt").size(), 1U);
  ASSERT_TRUE(RestoreTo("v2", "back"));
  EXPECT_EQ(TreeOf(folder_ / "back"), TreeOf(model_));
}

TEST_F(Versions, ABrokenRemovalIsRepeated) {
  Put(model_ / "w", "content");
  ASSERT_TRUE(SaveAs("v1"));
  store_.before = [&](const StoreCall& which) -> Result<void> {
    if (which.kind == CallKind::kDelete && which.key == VersionKey("v1")) return base::Unavailable("the line is cut");
    return {};
  };
  ASSERT_FALSE(RemoveVersion(store_, "v1", {}));
  ASSERT_TRUE(FreeUnneeded(store_, {}, {}));
  store_.before = [](const StoreCall&) -> Result<void> { return {}; };
  ASSERT_TRUE(RestoreTo("v1", "back"));
  ASSERT_TRUE(RemoveVersion(store_, "v1", {}));
  EXPECT_TRUE(Keys(kVersions).empty());
}

// The version that a save builds on is removed, and the space freed, just before the save's own manifest is written.
TEST_F(Versions, ASaveLosesNothingToARemoval) {
  Put(model_ / "w", "content");
  ASSERT_TRUE(SaveAs("v1"));
  store_.before = [&](const StoreCall& which) -> Result<void> {
    if (which.kind != CallKind::kWrite || which.key != VersionKey("v2")) return {};
    SEAMOUNT_TRY(RemoveVersion(store_, "v1", {}));
    SEAMOUNT_TRY_ASSIGN(const auto freed, FreeUnneeded(store_, kSaveTime, {}));
    EXPECT_EQ(freed.waiting_bytes, 7U);
    return {};
  };
  ASSERT_TRUE(SaveAs("v2"));
  ASSERT_TRUE(RestoreTo("v2", "back"));
}

// Says of chunks that they are older than they are.
class AgedStore final : public store::DecoratedStore<AgedStore> {
 public:
  explicit AgedStore(std::shared_ptr<Store> inner) : DecoratedStore(std::move(inner)) {}
  Result<std::optional<store::ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    auto info = inner().Stat(key, context);
    if (info && *info) (*info)->updated -= 2 * kSaveTime;
    return info;
  }
};

TEST_F(Versions, OldChunksThatNoVersionNeedsAreSentAnew) {
  const std::shared_ptr<Store> memory = store::MakeMemoryStore();
  AgedStore aged(memory);
  Put(model_ / "w", "content");
  ASSERT_TRUE(Save(aged, {.folder = model_, .name = "v1"}, {}));
  EXPECT_EQ(Save(aged, {.folder = model_, .name = "v2"}, {})->sent_chunks, 0U) << "v1 needs them";
  ASSERT_TRUE(RemoveVersion(aged, "v1", {}));
  ASSERT_TRUE(RemoveVersion(aged, "v2", {}));
  EXPECT_EQ(Save(aged, {.folder = model_, .name = "v3"}, {})->sent_chunks, 1U) << "a removal may be about to delete it";
}

TEST_F(Versions, ASaveThatTookTooLongIsNone) {
  Put(model_ / "w", "content");
  const auto late = Save(store_, {.folder = model_, .name = "v1", .save_time = {}}, {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(Keys(kVersions).empty());
}

TEST_F(Versions, WhatATagMeansStays) {
  Put(model_ / "w", "content");
  ASSERT_TRUE(SaveAs("v1"));
  ASSERT_TRUE(SaveAs("v2"));
  EXPECT_EQ(SetTag(store_, "prod", "v3", {}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(SetTag(store_, "v1", "v2", {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(*SetTag(store_, "prod", "v1", {}), "");
  EXPECT_EQ(*SetTag(store_, "prod", "v2", {}), "v1");
  EXPECT_EQ(LoadVersion(store_, "prod", {})->manifest.name, "v2");
  EXPECT_EQ(SaveAs("prod").error().code(), ErrorCode::kInvalidArgument);
  const auto refused = RemoveVersion(store_, "v2", {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("prod"), std::string::npos);
  EXPECT_TRUE(*RemoveTag(store_, "prod", {}));
  EXPECT_TRUE(RemoveVersion(store_, "v2", {}));
}

// Whichever comes first at each of the calls of the other, a tag never means what is gone.
TEST_F(Versions, ATagAndARemovalAtOneTime) {
  for (int stop_at = 0;; ++stop_at) {
    const std::string name = "v" + std::to_string(stop_at);
    Put(model_ / "w", "content");
    store_.before = [](const StoreCall&) -> Result<void> { return {}; };
    ASSERT_TRUE(SaveAs(name));
    int calls = 0;
    bool inside = false, tagged = false;
    store_.before = [&](const StoreCall&) -> Result<void> {
      if (inside || calls++ != stop_at) return {};
      inside = true;
      tagged = SetTag(store_, "prod", name, {}).has_value();
      inside = false;
      return {};
    };
    const bool removed = RemoveVersion(store_, name, {}).has_value();
    EXPECT_FALSE(tagged && removed) << "with the tag at call " << stop_at;
    store_.before = [](const StoreCall&) -> Result<void> { return {}; };
    EXPECT_EQ(tagged, LoadVersion(store_, "prod", {}).has_value());
    ASSERT_TRUE(RemoveTag(store_, "prod", {}));
    if (stop_at >= calls) break;
  }
}

// Many save, remove and free at once, with times so short that all happens: what was acknowledged can be restored.
TEST_F(Versions, NothingAcknowledgedIsEverLost) {
  constexpr base::Duration kShort = std::chrono::milliseconds(20);
  const uint64_t seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  for (int content = 0; content < 4; ++content) {
    Put(folder_ / ("c" + std::to_string(content)) / "w", "content " + std::to_string(content));
  }
  std::atomic<int> saved = 0;
  const auto save = [&](uint64_t thread) {
    std::mt19937_64 random(seed + thread);
    for (int i = 0; i < 40; ++i) {
      const std::string name = "v" + std::to_string(thread) + "-" + std::to_string(i);
      const fs::path folder = folder_ / ("c" + std::to_string(random() % 4));
      const auto done = Save(store_, {.folder = folder, .name = name, .connections = 1, .save_time = kShort}, {});
      if (!done) continue;  // took too long
      ++saved;
      const auto version = LoadVersion(store_, name, {});
      ASSERT_TRUE(version) << version.error().ToString();
      for (const File& file : version->manifest.files) {
        for (const Chunk& chunk : file.chunks) ASSERT_TRUE(*store_.Stat(ChunkKey(chunk.digest), {})) << name;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 10));
      for (const File& file : version->manifest.files) {
        for (const Chunk& chunk : file.chunks) ASSERT_TRUE(*store_.Stat(ChunkKey(chunk.digest), {})) << name;
      }
      ASSERT_TRUE(RemoveVersion(store_, name, {}));
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 50));
    }
  };
  std::stop_source end;
  std::thread freeing([&] {
    while (!end.stop_requested()) {
      const auto freed = FreeUnneeded(store_, kShort, {});
      ASSERT_TRUE(freed) << freed.error().ToString();
    }
  });
  std::vector<std::thread> savers;
  for (uint64_t thread = 0; thread < 3; ++thread) savers.emplace_back(save, thread);
  for (std::thread& saver : savers) saver.join();
  end.request_stop();
  freeing.join();
  std::cout << saved << " saved\n";
}

}  // namespace
}  // namespace seamount::versions
