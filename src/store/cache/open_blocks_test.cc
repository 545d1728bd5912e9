// Blocks that are kept open: what others do with their files meanwhile is seen.
#include "store/cache/open_blocks.h"

#include <gtest/gtest.h>

#include "store/testing/cache_fixture.h"

namespace seamount::store {
namespace {

using OpenBlocksTest = CacheStoreTest;

// Descriptors of this process that are files in the folder; `gone`: of those without a name.
size_t OpenBelow(const std::string& folder, bool gone = false) {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string file = fs::read_symlink(entry.path(), error).string();
    if (!error && file.starts_with(folder + "/blocks/") && (!gone || file.ends_with(" (deleted)"))) ++count;
  }
  return count;
}

std::shared_ptr<const StoredBlock> BlockOf(const std::string& object, uint64_t index) {
  BlockHeader header;
  header.id = {object, index};
  return std::make_shared<StoredBlock>(base::Fd(), "", std::vector{header}, 0);
}

TEST(OpenBlocksListTest, HoldsTheOnesReadLast) {
  OpenBlocks blocks;
  for (uint64_t i = 0; i < kMostOpenBlocks; ++i) blocks.Hold(BlockOf("k", i));
  EXPECT_NE(blocks.Find({"k", 0}), nullptr);
  blocks.Hold(BlockOf("k", kMostOpenBlocks));
  EXPECT_NE(blocks.Find({"k", 0}), nullptr) << "it was just read";
  EXPECT_EQ(blocks.Find({"k", 1}), nullptr);
  EXPECT_EQ(blocks.Find({"l", 0}), nullptr);
  const auto newer = BlockOf("k", 5);
  blocks.Hold(newer);
  EXPECT_EQ(blocks.Find({"k", 5}), newer);
  blocks.Drop({"k", 5});
  EXPECT_EQ(blocks.Find({"k", 5}), nullptr);
  blocks.Clear();
  EXPECT_EQ(blocks.Find({"k", 0}), nullptr);
}

TEST_F(OpenBlocksTest, WhatAnotherProcessReplacesOrRemovesIsNotServed) {
  const Generation old_generation = Put("k", Pattern(kMiB, 1));
  Read("k", {.if_generation = old_generation});
  cache_->Flush();
  EXPECT_EQ(Read("k", {.if_generation = old_generation}), Pattern(kMiB, 1));
  const BlockId id{"bucket\nk", 0};
  ASSERT_NE(cache_->Find(id, old_generation), nullptr);
  EXPECT_EQ(OpenBelow(directory()), 1u);

  const Generation generation = Put("k", Pattern(kMiB, 2));
  const auto other = Open(directory());
  ASSERT_TRUE(MakeCacheStore(inner_, other, "bucket")->Read("k", {.if_generation = generation}, {}));
  other->Flush();
  EXPECT_EQ(cache_->Find(id, old_generation), nullptr);
  const uint64_t before = Requests();
  EXPECT_EQ(Read("k", {.if_generation = generation}), Pattern(kMiB, 2));
  EXPECT_EQ(Requests(), before) << "the other's block serves this one too";

  ASSERT_TRUE(fs::remove(Blocks().at(0)));
  EXPECT_EQ(cache_->Find(id, generation), nullptr);
  EXPECT_EQ(OpenBelow(directory(), /*gone=*/true), 0u);
}

TEST_F(OpenBlocksTest, DescriptorsAreBoundedAndEvictedBlocksAreLetGo) {
  constexpr uint64_t kLimit = 100 * kMiB;
  Reopen(kLimit);
  const std::string content = Pattern(80 * kMiB, 3);
  const Generation generation = Put("k", content);
  const auto read_all = [&](const std::string& key, const Generation& at) {
    for (uint64_t begin = 0; begin < content.size(); begin += kMiB) {
      const auto read = store_->Read(key, {.range = ByteRange{begin, kMiB}, .if_generation = at}, {});
      ASSERT_TRUE(read && *read);
      if (begin % (8 * kMiB) == 0) cache_->Flush();
    }
    cache_->Flush();
  };
  read_all("k", generation);
  read_all("k", generation);
  EXPECT_GT(OpenBelow(directory()), 0u);
  EXPECT_LE(OpenBelow(directory()), kMostOpenBlocks);
  read_all("another", Put("another", content));
  EXPECT_GT(cache_->Stats().evicted, 0u);
  EXPECT_EQ(OpenBelow(directory(), /*gone=*/true), 0u);
}

}  // namespace
}  // namespace seamount::store
