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

// Positions of one range in the order of an epoch.
std::vector<uint64_t> Positions(const SampleRange& range, Shuffle shuffle, const BlockShape& blocks, uint64_t seed,
                                uint64_t epoch, OrderVersion version = OrderVersion::kFirst) {
  const SampleSet samples({range});
  std::vector<uint64_t> positions;
  for (const uint32_t number : EpochOrder(samples, shuffle, blocks, seed, epoch, version)) {
    positions.push_back(samples.PositionOf(number));
  }
  return positions;
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
  EXPECT_THAT(Positions({5, 10}, Shuffle::kGlobal, {}, 42, 0), ElementsAre(5, 8, 10, 12, 14, 13, 7, 6, 9, 11));
  EXPECT_THAT(Positions({5, 10}, Shuffle::kGlobal, {}, 42, 1), ElementsAre(11, 10, 6, 9, 12, 8, 7, 14, 13, 5));
  EXPECT_THAT(Positions({5, 10}, Shuffle::kBlock, {.block_samples = 2, .window_blocks = 2, .first_lead = -1}, 42, 0),
              ElementsAre(10, 13, 14, 9, 5, 6, 7, 8, 11, 12));
  EXPECT_THAT(Positions({5, 4}, Shuffle::kNone, {}, 42, 0), ElementsAre(5, 6, 7, 8));
}

TEST(EpochOrderTest, EveryOrderHoldsEachSampleOnce) {
  for (const Shuffle shuffle : {Shuffle::kNone, Shuffle::kBlock, Shuffle::kGlobal}) {
    for (uint64_t epoch = 0; epoch < 5; ++epoch) {
      const auto order = Positions({3, 1001}, shuffle, {.block_samples = 16, .window_blocks = 3}, 7, epoch);
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
      for (uint64_t epoch = 0; epoch < 4; ++epoch) seen.insert(Positions({0, 500}, shuffle, {}, seed, epoch));
    }
    EXPECT_EQ(seen.size(), 16u) << NameOf(shuffle);
  }
}

TEST(EpochOrderTest, BlocksStayTogether) {
  // Each group of two blocks of eight samples, aligned to sample - 3, fills a run of the order by itself.
  const auto order =
      Positions({3, 64}, Shuffle::kBlock, {.block_samples = 8, .window_blocks = 2, .first_lead = -3}, 1, 0);
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

TEST(EpochOrderTest, TheSecondVersionsGoldenOrder) {
  const BlockShape blocks{.block_samples = 4, .window_blocks = 2, .first_lead = -1, .chunk_samples = 2};
  EXPECT_THAT(Positions({5, 14}, Shuffle::kBlock, blocks, 42, 0, OrderVersion::kSecond),
              ElementsAre(18, 7, 5, 17, 6, 8, 9, 15, 11, 13, 16, 12, 10, 14));
  // Without blocks the versions are the same.
  EXPECT_EQ(Positions({5, 100}, Shuffle::kGlobal, blocks, 42, 0, OrderVersion::kSecond),
            Positions({5, 100}, Shuffle::kGlobal, blocks, 42, 0, OrderVersion::kFirst));
}

TEST(EpochOrderTest, EachRoundHoldsOneSampleOfEachChunk) {
  const auto order =
      Positions({0, 1024}, Shuffle::kBlock, ChooseBlocks(32, std::vector<int64_t>{0}), 1, 0, OrderVersion::kSecond);
  EXPECT_EQ(Sorted(order).back(), 1023u);
  for (size_t round = 0; round < order.size(); round += 4) {
    std::set<uint64_t> chunks;
    for (size_t i = round; i < round + 4; ++i) chunks.insert(order[i] / 32);
    EXPECT_EQ(chunks.size(), 4u);
  }
}

std::vector<BatchRange> All(const BatchSequence& batches) {
  std::vector<BatchRange> all;
  for (uint64_t i = 0; i < batches.size(); ++i) all.push_back(batches[i]);
  return all;
}

TEST(BatchSequenceTest, OneRank) {
  EXPECT_THAT(All({10, 0, {.batch_size = 4}}),
              ElementsAre(BatchRange{0, 4, 0, 4}, BatchRange{4, 8, 4, 8}, BatchRange{8, 10, 8, 10}));
  EXPECT_THAT(All({10, 0, {.batch_size = 4, .drop_last = true}}),
              ElementsAre(BatchRange{0, 4, 0, 4}, BatchRange{4, 8, 4, 8}));
  EXPECT_THAT(All({10, 8, {.batch_size = 4}}), ElementsAre(BatchRange{8, 10, 8, 10}));
  EXPECT_THAT(All({10, 10, {.batch_size = 4}}), ElementsAre());
}

TEST(BatchSequenceTest, RanksTogetherReadEachStep) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    const uint64_t samples = random() % 200;
    const uint64_t world = 1 + random() % 5;
    const uint64_t batch_size = 1 + random() % 7;
    const uint64_t position = random() % (samples + 1);
    const auto version = random() % 2 == 0 ? OrderVersion::kFirst : OrderVersion::kSecond;
    std::vector<uint32_t> order(samples);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    std::vector<BatchSequence> ranks;
    for (uint64_t rank = 0; rank < world; ++rank) {
      ranks.emplace_back(samples, position,
                         BatchOptions{.batch_size = batch_size, .rank = rank, .world = world, .version = version});
      ASSERT_EQ(ranks.back().size(), ranks.front().size());
    }
    uint64_t next = position;
    for (uint64_t step = 0; step < ranks.front().size(); ++step) {
      std::multiset<uint32_t> together;
      for (const auto& rank : ranks) {
        const BatchRange batch = rank[step];
        EXPECT_EQ(batch.step_begin, next);
        EXPECT_GT(batch.end, batch.begin);
        EXPECT_LE(batch.end - batch.begin, batch_size);
        std::vector<uint32_t> own = SamplesOf(batch, order);
        own.resize(own.size() - batch.padding);
        together.insert(own.begin(), own.end());
      }
      next = ranks.front()[step].step_end;
      const auto begin = order.begin() + static_cast<std::ptrdiff_t>(ranks.front()[step].step_begin);
      EXPECT_EQ(together, std::multiset<uint32_t>(begin, order.begin() + static_cast<std::ptrdiff_t>(next)));
    }
    EXPECT_LT(samples - next, version == OrderVersion::kFirst ? world : 1);
  }
}

}  // namespace
}  // namespace seamount::loader
