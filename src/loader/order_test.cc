#include "loader/order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

namespace seamount::loader {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<uint64_t> Sorted(std::vector<uint64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

TEST(SamplesInsideTest, EveryLeadLiesInsideTheSelection) {
  struct Case {
    uint64_t begin, end;
    std::vector<int64_t> leads;
    uint64_t first, count;
  };
  const Case cases[] = {
      {0, 10, {0}, 0, 10},          {0, 10, {-2, -1, 0, 1}, 2, 7}, {3, 10, {-2, -1, 0, 1}, 5, 4},
      {0, 4, {-2, -1, 0, 1}, 2, 1}, {5, 10, {2, 3}, 3, 4},  // the sample itself lies before the selection
      {0, 10, {2}, 0, 8},                                   // but never before the array
      {4, 10, {-8}, 12, 6},                                 // or behind the selection
  };
  for (const Case& c : cases) {
    const auto samples = SamplesInside(c.begin, c.end, c.leads);
    ASSERT_TRUE(samples) << samples.error().message();
    EXPECT_EQ(samples->first, c.first);
    EXPECT_EQ(samples->count, c.count);
  }
}

TEST(SamplesInsideTest, TooLongAWindowIsAnError) {
  const auto samples = SamplesInside(0, 12, std::vector<int64_t>{-11, 0, 1});
  ASSERT_FALSE(samples);
  EXPECT_EQ(samples.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(samples.error().message(), HasSubstr("need 13 consecutive positions"));
  EXPECT_FALSE(SamplesInside(0, 10, std::vector<int64_t>{INT64_MAX}));
  EXPECT_FALSE(SamplesInside(0, 10, std::vector<int64_t>{INT64_MIN}));
  EXPECT_FALSE(SamplesInside(7, 3, std::vector<int64_t>{0}));
}

// Computed by an independent Python program from the description in order.h. They pin the order for ever, since runs
// resume from it.
TEST(RandomTest, GoldenValues) {
  Random random(42, 3);
  EXPECT_EQ(random.Next(), 18238134964263634754u);
  EXPECT_EQ(random.Next(), 1960218670399885187u);
  EXPECT_EQ(random.Below(1000), 414u);
}

TEST(EpochOrderTest, GoldenOrders) {
  EXPECT_THAT(EpochOrder({5, 10}, Shuffle::kGlobal, {}, 42, 0), ElementsAre(5, 8, 10, 12, 14, 13, 7, 6, 9, 11));
  EXPECT_THAT(EpochOrder({5, 10}, Shuffle::kGlobal, {}, 42, 1), ElementsAre(11, 10, 6, 9, 12, 8, 7, 14, 13, 5));
  EXPECT_THAT(EpochOrder({5, 10}, Shuffle::kBlock, {.block_samples = 2, .window_blocks = 2, .first_lead = -1}, 42, 0),
              ElementsAre(10, 13, 14, 9, 5, 6, 7, 8, 11, 12));
  EXPECT_THAT(EpochOrder({5, 4}, Shuffle::kNone, {}, 42, 0), ElementsAre(5, 6, 7, 8));
}

TEST(EpochOrderTest, EveryOrderHoldsEachSampleOnce) {
  for (const Shuffle shuffle : {Shuffle::kNone, Shuffle::kBlock, Shuffle::kGlobal}) {
    for (uint64_t epoch = 0; epoch < 5; ++epoch) {
      const auto order = EpochOrder({3, 1001}, shuffle, {.block_samples = 16, .window_blocks = 3}, 7, epoch);
      std::vector<uint64_t> expected(1001);
      std::iota(expected.begin(), expected.end(), 3);
      EXPECT_EQ(Sorted(order), expected) << NameOf(shuffle);
    }
  }
}

TEST(EpochOrderTest, SeedAndEpochChangeTheOrder) {
  for (const Shuffle shuffle : {Shuffle::kBlock, Shuffle::kGlobal}) {
    std::set<std::vector<uint64_t>> seen;
    for (uint64_t seed = 0; seed < 4; ++seed) {
      for (uint64_t epoch = 0; epoch < 4; ++epoch) seen.insert(EpochOrder({0, 500}, shuffle, {}, seed, epoch));
    }
    EXPECT_EQ(seen.size(), 16u) << NameOf(shuffle);
  }
}

TEST(EpochOrderTest, BlocksStayTogether) {
  // Each group of two blocks of eight samples, aligned to sample - 3, fills a run of the order by itself.
  const auto order =
      EpochOrder({3, 64}, Shuffle::kBlock, {.block_samples = 8, .window_blocks = 2, .first_lead = -3}, 1, 0);
  for (size_t group = 0; group < order.size(); group += 16) {
    std::set<uint64_t> blocks;
    for (size_t i = group; i < group + 16; ++i) blocks.insert((order[i] - 3) / 8);
    EXPECT_EQ(blocks.size(), 2u);
  }
}

TEST(ChooseBlocksTest, WholeChunksAndAFewOfThem) {
  const std::vector<int64_t> window = {-3, -2, -1, 0};
  const std::vector<int64_t> single = {0};
  EXPECT_EQ(ChooseBlocks(1, window).block_samples, 64u);
  EXPECT_EQ(ChooseBlocks(1, window).first_lead, -3);
  EXPECT_EQ(ChooseBlocks(8, window).block_samples, 64u);
  EXPECT_EQ(ChooseBlocks(32, window).block_samples, 128u);
  EXPECT_EQ(ChooseBlocks(32, single).block_samples, 64u);
  EXPECT_EQ(ChooseBlocks(1000, single).block_samples, 1000u);
  EXPECT_EQ(ChooseBlocks(1000, single).window_blocks, 1u);
  EXPECT_EQ(ChooseBlocks(0, single).block_samples, 64u);
}

TEST(BatchesTest, OneRank) {
  EXPECT_THAT(Batches(10, 0, {.batch_size = 4}),
              ElementsAre(BatchRange{0, 4, 4}, BatchRange{4, 8, 8}, BatchRange{8, 10, 10}));
  EXPECT_THAT(Batches(10, 0, {.batch_size = 4, .drop_last = true}),
              ElementsAre(BatchRange{0, 4, 4}, BatchRange{4, 8, 8}));
  EXPECT_THAT(Batches(10, 8, {.batch_size = 4}), ElementsAre(BatchRange{8, 10, 10}));
  EXPECT_THAT(Batches(10, 10, {.batch_size = 4}), ElementsAre());
}

TEST(BatchesTest, RanksTogetherReadTheSameOrder) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    const uint64_t samples = random() % 200;
    const uint64_t world = 1 + random() % 5;
    const uint64_t batch_size = 1 + random() % 7;
    const uint64_t position = random() % (samples + 1);
    std::vector<std::vector<BatchRange>> ranks;
    for (uint64_t rank = 0; rank < world; ++rank) {
      ranks.push_back(Batches(samples, position, {.batch_size = batch_size, .rank = rank, .world = world}));
      ASSERT_EQ(ranks.back().size(), ranks.front().size());
    }
    uint64_t next = position;
    for (size_t step = 0; step < ranks.front().size(); ++step) {
      for (const auto& rank : ranks) {
        EXPECT_EQ(rank[step].begin, next);
        EXPECT_GT(rank[step].end, rank[step].begin);
        EXPECT_LE(rank[step].end - rank[step].begin, batch_size);
        next = rank[step].end;
      }
      for (const auto& rank : ranks) EXPECT_EQ(rank[step].position_after, next);
    }
    EXPECT_LT(samples - next, world);
  }
}

}  // namespace
}  // namespace seamount::loader
