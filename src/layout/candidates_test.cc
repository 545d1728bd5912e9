#include "layout/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seamount::layout {
namespace {

using loader::LoaderOptions;
using loader::Shuffle;
using testing::ElementsAre;

Data Winds(std::vector<uint64_t> shape) {
  zarr::ArrayMetadata metadata{.shape = std::move(shape)};
  metadata.dimension_names = {"time", "lat", "lon"};
  metadata.fill_value = Bytes::Copy(std::as_bytes(std::span("\0\0\0", 4)));
  return {.arrays = {{"u", std::move(metadata)}}};
}

std::vector<Ranked> RankOf(const Data& data, LoaderOptions options, const Terms& terms = {.most_uses = 1 << 15}) {
  options.variables = {"u"};
  auto ranked = Rank(data, options, "time", Candidates(data, options, "time", true), terms);
  EXPECT_TRUE(ranked) << ranked.error().message();
  return ranked ? *ranked : std::vector<Ranked>(1);
}

TEST(Layout, LargeFieldsThatAreShuffledLieAlone) {
  const auto ranked = RankOf(Winds({5000, 721, 1440}), {.targets = {1}, .memory_bytes = uint64_t{1} << 30});
  EXPECT_THAT(ranked[0].chunk, ElementsAre(1, 721, 1440));
  EXPECT_LT(ranked[0].costs.bytes, ranked[1].costs.bytes) << "more steps to a chunk are fetched and thrown away";
}

TEST(Layout, SmallFieldsInOrderLieTogether) {
  const auto ranked = RankOf(Winds({50'000, 32, 64}), {.shuffle = Shuffle::kNone});
  EXPECT_GE(ranked[0].chunk_bytes, 256 << 10);
  EXPECT_THAT(ranked[0].costs.reread, testing::DoubleNear(1, 0.01));
}

// A chunk of many steps would be fetched for one of them.
TEST(Layout, LeadsFarApartAreFetchedByThemselves) {
  const auto ranked = RankOf(Winds({20'000, 180, 360}), {.inputs = {-480, 0}, .targets = {480}});
  EXPECT_LE(ranked[0].chunk[0], 2);
}

TEST(Layout, PatchesCutTheField) {
  const loader::PatchOptions patches{.dims = {{"lat", 64, 64}, {"lon", 64, 64}}, .random = 1};
  const auto ranked = RankOf(Winds({2000, 721, 1440}), {.patches = patches});
  EXPECT_LE(ranked[0].chunk[1], 128);
  EXPECT_LE(ranked[0].chunk[2], 128);
  const auto whole = std::find_if(ranked.begin(), ranked.end(), [](const Ranked& one) {
    return one.chunk == nd::Index{1, 721, 1440};
  });
  ASSERT_NE(whole, ranked.end()) << "the whole field is compared too";
  EXPECT_GT(whole->costs.seconds, 3 * ranked[0].costs.seconds);
}

TEST(Layout, RequestsThatCostMakeLargerChunks) {
  const Data data = Winds({20'000, 32, 64});
  const auto fast = RankOf(data, {.inputs = {-3, -2, -1, 0}, .memory_bytes = 16 << 20});
  Terms near{.latency_seconds = 0, .link_bytes_per_second = 50e6, .most_uses = 1 << 15};
  const auto bytes_count = RankOf(data, {.inputs = {-3, -2, -1, 0}, .memory_bytes = 16 << 20}, near);
  EXPECT_GE(fast[0].chunk_bytes, bytes_count[0].chunk_bytes);
  EXPECT_LE(bytes_count[0].costs.bytes, fast[0].costs.bytes);
}

TEST(Layout, ManyObjectsAreSharded) {
  const auto ranked = RankOf(Winds({100'000, 90, 180}), {.targets = {1}});
  for (const Ranked& one : ranked) EXPECT_EQ(one.objects > kManyObjects, one.shard == one.chunk) << one.objects;
  EXPECT_TRUE(ranked[0].shard);
}

TEST(Layout, TheBestIsFirstAndTheImpossibleLast) {
  const auto ranked = RankOf(Winds({3000, 100, 100}), {.memory_bytes = 6 << 20});
  EXPECT_TRUE(ranked.front().impossible.empty());
  EXPECT_THAT(ranked.back().impossible, testing::HasSubstr("is too small"));
  for (const Ranked& one : ranked) {
    if (!one.impossible.empty()) continue;
    EXPECT_LE(ranked[0].costs.seconds, one.costs.seconds * 1.05);
  }
  const Data data = Winds({3000, 100, 100});
  LoaderOptions options{.variables = {"u"}, .memory_bytes = 1000};
  EXPECT_FALSE(Rank(data, options, "time", Candidates(data, options, "time", true), {}));
}

TEST(Layout, WindowsAndBatchesSuggestSteps) {
  const Data data = Winds({300, 8, 128});
  const auto steps = [&](const LoaderOptions& options) {
    std::vector<uint64_t> out;
    for (const Candidate& one : Candidates(data, options, "time", true)) out.push_back(one.chunk.at("time"));
    return out;
  };
  EXPECT_THAT(steps({.variables = {"u"}, .inputs = {-2, -1, 0}}),
              ElementsAre(1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 300));
  EXPECT_THAT(steps({.variables = {"u"}, .batch_size = 24, .shuffle = Shuffle::kNone}),
              ElementsAre(1, 2, 4, 8, 16, 24, 32, 64, 128, 256, 300));
}

}  // namespace
}  // namespace seamount::layout
