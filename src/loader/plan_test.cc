#include "loader/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace seamount::loader {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<uint32_t> FetchedChunks(const CachePlan& plan) {
  std::vector<uint32_t> chunks;
  for (const Residency& residency : plan.residencies) {
    if (!residency.held) chunks.push_back(residency.chunk);
  }
  return chunks;
}

TEST(PlanCacheTest, EverythingFitsSoEachChunkIsFetchedOnce) {
  const std::vector<uint32_t> uses = {0, 1, 2, 0, 1, 2, 2, 0};
  const std::vector<uint64_t> bytes = {10, 10, 10};
  const CachePlan plan = PlanCache(uses, uses.size(), bytes, {30}, {});
  EXPECT_THAT(FetchedChunks(plan), ElementsAre(0, 1, 2));
  EXPECT_EQ(plan.fetches, 3u);
  EXPECT_THAT(plan.residency_of, ElementsAre(0, 1, 2, 0, 1, 2, 2, 0));
  EXPECT_THAT(plan.next_use, ElementsAre(3, 4, 5, 7, kNoUse, 6, kNoUse, kNoUse));
  for (const Residency& residency : plan.residencies) EXPECT_TRUE(residency.kept);
}

TEST(PlanCacheTest, TheFarthestNextUseGoes) {
  // Room for two: when 2 comes in, 1 (used last of all) leaves, not 0.
  const std::vector<uint32_t> uses = {0, 1, 2, 0, 2, 1};
  const std::vector<uint64_t> bytes = {1, 1, 1};
  const CachePlan plan = PlanCache(uses, uses.size(), bytes, {2}, {});
  EXPECT_THAT(FetchedChunks(plan), ElementsAre(0, 1, 2, 1));
}

TEST(PlanCacheTest, WithoutRoomEachUseIsAFetch) {
  const std::vector<uint32_t> uses = {0, 0, 1, 0};
  const std::vector<uint64_t> bytes = {5, 5};
  const CachePlan plan = PlanCache(uses, uses.size(), bytes, {4}, {});
  EXPECT_THAT(FetchedChunks(plan), ElementsAre(0, 0, 1, 0));
  for (const Residency& residency : plan.residencies) EXPECT_FALSE(residency.kept);
}

TEST(PlanCacheTest, ChunksHeldFromBeforeAreNotFetched) {
  const std::vector<uint32_t> uses = {2, 0, 1, 2};
  const std::vector<uint64_t> bytes = {1, 1, 1, 1};
  const CachePlan plan = PlanCache(uses, uses.size(), bytes, {3}, std::vector<uint32_t>{0, 2, 3});
  EXPECT_THAT(FetchedChunks(plan), ElementsAre(1));
  EXPECT_TRUE(plan.residencies[0].held);
}

TEST(PlanCacheTest, NothingStaysForAnEpochThatWillFindLittleOfIt) {
  const std::vector<uint32_t> uses = {0, 1, 0, 2, 1};
  const std::vector<uint64_t> bytes = {1, 1, 1};
  const CachePlan plan = PlanCache(uses, uses.size(), bytes, {.bytes = 3, .for_next_epoch = false}, {});
  EXPECT_THAT(FetchedChunks(plan), ElementsAre(0, 1, 2));
  for (const Residency& residency : plan.residencies) EXPECT_FALSE(residency.kept);
}

// A model that searches linearly instead of by priority queue, and counts what stays.
uint64_t NaiveBeladyFetches(const std::vector<uint32_t>& uses, const std::vector<uint64_t>& bytes, uint64_t capacity) {
  std::set<uint32_t> cached;
  uint64_t fetches = 0;
  const auto next_use = [&](uint32_t chunk, size_t after) {
    const auto it = std::find(uses.begin() + static_cast<std::ptrdiff_t>(after) + 1, uses.end(), chunk);
    return it == uses.end() ? size_t{kNoUse} : static_cast<size_t>(it - uses.begin());
  };
  for (size_t i = 0; i < uses.size(); ++i) {
    if (cached.insert(uses[i]).second) ++fetches;
    for (;;) {
      uint64_t used = 0;
      for (const uint32_t chunk : cached) used += bytes[chunk];
      if (used <= capacity) break;
      cached.erase(*std::max_element(cached.begin(), cached.end(), [&](uint32_t a, uint32_t b) {
        return std::pair(next_use(a, i), a) < std::pair(next_use(b, i), b);
      }));
    }
  }
  return fetches;
}

// Replays the plan in order, and checks that it is what it says: each use finds its chunk, and after each use no more
// than the capacity is in memory.
void CheckPlan(const CachePlan& plan, const std::vector<uint32_t>& uses, const std::vector<uint64_t>& bytes,
               uint64_t capacity) {
  std::vector<uint32_t> left(plan.residencies.size());
  uint64_t in_memory = 0;
  uint32_t opened = 0;
  for (uint32_t i = 0; i < uses.size(); ++i) {
    const uint32_t r = plan.residency_of[i];
    const Residency& residency = plan.residencies[r];
    ASSERT_EQ(residency.chunk, uses[i]);
    if (residency.first_use == i) {
      ASSERT_EQ(r, opened++);
      left[r] = residency.uses;
      in_memory += bytes[uses[i]];
    }
    ASSERT_GT(left[r], 0u);
    ASSERT_EQ(plan.next_use[i] == kNoUse, left[r] == 1);
    if (plan.next_use[i] != kNoUse) {
      ASSERT_EQ(plan.residency_of[plan.next_use[i]], r);
    }
    if (--left[r] == 0 && !residency.kept) in_memory -= bytes[uses[i]];
    ASSERT_LE(in_memory, capacity);
  }
  ASSERT_EQ(opened, plan.residencies.size());
}

TEST(PlanCacheTest, AgreesWithANaiveModel) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint64_t> bytes(1 + random() % 12);
    for (auto& b : bytes) b = 1 + random() % 3;
    std::vector<uint32_t> uses(random() % 80);
    for (auto& use : uses) use = static_cast<uint32_t>(random() % bytes.size());
    const uint64_t capacity = random() % 20;
    const CachePlan plan = PlanCache(uses, uses.size(), bytes, {capacity}, {});
    CheckPlan(plan, uses, bytes, capacity);
    EXPECT_EQ(plan.fetches, NaiveBeladyFetches(uses, bytes, capacity));
  }
}

TEST(PlanCacheTest, WhatIsUsedBeyondTheStretchIsKept) {
  // Planned are the first three uses; 1 comes again, 0 does not, and nothing stays without a use that is known.
  const std::vector<uint32_t> uses = {0, 1, 2, 2, 1};
  const std::vector<uint64_t> bytes = {1, 1, 1, 1};
  const CachePlan plan = PlanCache(uses, 3, bytes, {.bytes = 2, .for_next_epoch = false}, {});
  ASSERT_EQ(plan.residencies.size(), 3u);
  EXPECT_FALSE(plan.residencies[0].kept);
  EXPECT_TRUE(plan.residencies[1].kept);
  EXPECT_TRUE(plan.residencies[2].kept);
  // Held before and wanted after, without a use in the stretch: it is carried through.
  const CachePlan next = PlanCache(uses, 1, bytes, {.bytes = 3, .for_next_epoch = false}, std::vector<uint32_t>{2, 3});
  EXPECT_THAT(next.carried, ElementsAre(2));
}

TEST(PlanMemoryTest, APlanIsAnEighthOfTheMemoryAtMostOrOneBatchs) {
  constexpr uint64_t kMiB = 1 << 20;
  MemoryNeeds needs{.memory_bytes = 64 * kMiB,
                    .batch_bytes = kMiB,
                    .largest_chunk_bytes = 4096,
                    .samples = 1000,
                    .batch_uses = 1000,
                    .epoch_uses = 12'000'000};
  const auto many = PlanMemory(needs);
  ASSERT_TRUE(many);
  EXPECT_LE(many->plan_bytes, 8 * kMiB + 8000);
  EXPECT_GT(many->plan_bytes, 7 * kMiB);
  EXPECT_EQ(many->stretch_uses, (many->plan_bytes - 8000) / kPlanBytesPerUse);
  needs.epoch_uses = 2000;
  EXPECT_EQ(PlanMemory(needs)->stretch_uses, 2000u);
  needs.batch_uses = needs.epoch_uses = 1'000'000;
  const auto too_many = PlanMemory(needs);
  ASSERT_FALSE(too_many);
  EXPECT_THAT(too_many.error().message(), HasSubstr("for the plan of an epoch of 1000 samples"));
}

TEST(PlanMemoryTest, Divides) {
  constexpr uint64_t kMiB = 1 << 20;
  // The race's layout of one sample a chunk: 33 MB batches, 259 kB chunks, more data than memory.
  const auto race = PlanMemory({256 * kMiB, 33 * kMiB, kMiB / 4, 4096 * kMiB});
  ASSERT_TRUE(race);
  EXPECT_EQ(race->batches, 2u);
  EXPECT_EQ(race->batch_bytes, 99 * kMiB);
  EXPECT_EQ(race->chunk_bytes, 157 * kMiB);
  EXPECT_LE(race->retain.bytes + kMiB / 2, race->chunk_bytes);
  EXPECT_GT(race->retain.bytes, 64 * kMiB);
  EXPECT_FALSE(race->retain.for_next_epoch);
  // Everything fits: all of it may stay.
  const auto small = PlanMemory({256 * kMiB, kMiB, kMiB, 20 * kMiB});
  ASSERT_TRUE(small);
  EXPECT_EQ(small->batches, 8u);
  EXPECT_GE(small->retain.bytes, 20 * kMiB);
  EXPECT_TRUE(small->retain.for_next_epoch);
}

TEST(PlanMemoryTest, TheLeastIsEnoughAndLessIsAnError) {
  const auto least =
      PlanMemory({.memory_bytes = 1200, .batch_bytes = 400, .largest_chunk_bytes = 200, .all_chunks_bytes = 9999});
  ASSERT_TRUE(least) << least.error().message();
  EXPECT_EQ(least->batches, 1u);
  EXPECT_EQ(least->batch_bytes, 800u);
  EXPECT_EQ(least->chunk_bytes, 400u);
  EXPECT_EQ(least->retain.bytes, 0u);
  const auto less =
      PlanMemory({.memory_bytes = 1199, .batch_bytes = 400, .largest_chunk_bytes = 200, .all_chunks_bytes = 9999});
  ASSERT_FALSE(less);
  EXPECT_EQ(less.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(less.error().message(), HasSubstr("raise memory or lower batch_size"));
}

}  // namespace
}  // namespace seamount::loader
