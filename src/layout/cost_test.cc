// The model against what the loader itself counts, over stores that lie in memory.
#include "layout/cost.h"

#include <gtest/gtest.h>

#include "loader/loader.h"
#include "loader/testing/fields.h"

namespace seamount::layout {
namespace {

using loader::Field;
using loader::LoaderOptions;
using loader::Shuffle;

struct Case {
  const char* name;
  std::vector<uint64_t> chunk;
  std::optional<std::vector<uint64_t>> shard;
  LoaderOptions options;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr uint64_t kSteps = 240;
const std::vector<int64_t> kWindow = {-3, -2, -1, 0};

const Case kCases[] = {
    {"WindowsInAnyOrder", {4, 16, 32}, {}, {.inputs = kWindow, .targets = {1}, .memory_bytes = 900'000}},
    {"WindowsInOrder", {4, 16, 32}, {}, {.inputs = kWindow, .shuffle = Shuffle::kNone, .memory_bytes = 600'000}},
    {"RoomForOneChunk", {4, 16, 32}, {}, {.inputs = kWindow, .memory_bytes = 560'000}},
    {"WindowsInBlocks", {4, 16, 32}, {}, {.inputs = kWindow, .shuffle = Shuffle::kBlock, .memory_bytes = 600'000}},
    {"FarLeads", {1, 16, 32}, {}, {.targets = {24}, .batch_size = 5, .memory_bytes = 200'000}},
    {"AllFits", {8, 16, 32}, {}, {.inputs = kWindow, .memory_bytes = 8 << 20}},
    {"AChunkOfManySteps", {60, 16, 32}, {}, {.batch_size = 8, .memory_bytes = 700'000}},
    {"SplitFields", {2, 8, 8}, {}, {.inputs = {-1, 0}, .batch_size = 8, .memory_bytes = 300'000}},
    {"Patches",
     {2, 8, 8},
     {},
     {.inputs = {-1, 0},
      .batch_size = 8,
      .patches = {.dims = {{"lat", 8, 8}, {"lon", 8, 8}}},
      .memory_bytes = 100'000}},
    {"PatchesAtRandom",
     {2, 8, 8},
     {},
     {.batch_size = 8,
      .patches = {.dims = {{"lat", 6, 6}, {"lon", 10, 10, true}}, .random = 2},
      .memory_bytes = 100'000}},
    {"Shards", {1, 16, 32}, {{24, 16, 32}}, {.inputs = kWindow, .memory_bytes = 6 << 20}},
    {"ShardsInOrder", {1, 16, 32}, {{24, 16, 32}}, {.shuffle = Shuffle::kNone, .memory_bytes = 6 << 20}},
    {"ShardsOfPieces", {2, 8, 16}, {{8, 16, 32}}, {.shuffle = Shuffle::kBlock, .memory_bytes = 6 << 20}},
};

class ModelTest : public testing::TestWithParam<Case> {};

TEST_P(ModelTest, FetchesAsTheLoaderDoes) {
  LoaderOptions options = GetParam().options;
  options.variables = {"u", "v"};
  options.seed = 5;
  options.threads = 1;
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  for (const std::string& name : options.variables) {
    Field field = loader::MakeField(name, {kSteps, 16, 32}, GetParam().chunk, 1);
    field.shard_shape = GetParam().shard;
    field.codecs = "none";
    loader::WriteField(store, field);
  }
  auto loader = loader::OpenOrFail(store, options);
  ASSERT_TRUE(loader);
  while (true) {
    auto batch = loader->Next();
    ASSERT_TRUE(batch) << batch.error().message();
    if (!*batch) break;
  }
  const loader::Stats measured = loader->stats();

  Data data;
  for (const std::string& name : options.variables) {
    zarr::ArrayMetadata metadata{.shape = {kSteps, 16, 32}, .chunk_shape = GetParam().chunk};
    metadata.shard_shape = GetParam().shard;
    metadata.dimension_names = {"time", "lat", "lon"};
    metadata.fill_value = Bytes::Copy(std::as_bytes(std::span(&std::as_const(options.seed), 1)).first(4));
    data.arrays.push_back({name, metadata});
  }
  const double elements = static_cast<double>(nd::Elements(GetParam().chunk));
  data.stored_share = (elements * 4 + 4) / (elements * 4);  // a CRC32C each
  const auto costs = CostOf(data, options, {});
  ASSERT_TRUE(costs) << costs.error().message();
  EXPECT_EQ(costs->samples, measured.samples);
  EXPECT_EQ(costs->chunks, measured.chunks_fetched);
  EXPECT_NEAR(costs->bytes, measured.bytes_fetched, 1);
  EXPECT_EQ(costs->decoded_bytes, measured.bytes_decoded);
  // How many chunks of a shard go together is also a matter of when room comes: where fetching is far ahead of
  // training, it comes chunk by chunk, and so do the requests. There is plenty here.
  const double apart = GetParam().shard ? 0.1 : 0;
  EXPECT_NEAR(costs->requests, measured.requests, apart * measured.requests);
}

INSTANTIATE_TEST_SUITE_P(Layouts, ModelTest, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

Data Winds(std::vector<uint64_t> shape, std::vector<uint64_t> chunk) {
  zarr::ArrayMetadata metadata{.shape = std::move(shape), .chunk_shape = std::move(chunk)};
  metadata.dimension_names = {"time", "lat", "lon"};
  metadata.fill_value = Bytes::Copy(std::as_bytes(std::span("\0\0\0", 4)));
  return {.arrays = {{"u", std::move(metadata)}}};
}

TEST(Model, APartOfTheEpochTellsTheWhole) {
  const Data data = Winds({20'000, 16, 32}, {4, 16, 32});
  const LoaderOptions options{.variables = {"u"}, .inputs = kWindow, .memory_bytes = 4 << 20};
  const auto whole = CostOf(data, options, {.most_uses = uint64_t{1} << 30});
  const auto part = CostOf(data, options, {.most_uses = 24'000});
  ASSERT_TRUE(whole && part);
  EXPECT_EQ(part->samples, whole->samples);
  EXPECT_NE(part->chunks, whole->chunks) << "it was not planned through";
  EXPECT_NEAR(part->chunks, whole->chunks, 0.05 * whole->chunks);
  EXPECT_NEAR(part->seconds, whole->seconds, 0.05 * whole->seconds);
}

// By hand: 96 samples of one step in one chunk each, no shuffle; 2 KiB a chunk.
TEST(Model, SecondsAndDollarsFollowFromTheTerms) {
  const Data data = Winds({96, 16, 32}, {1, 16, 32});
  const LoaderOptions options{.variables = {"u"}, .shuffle = Shuffle::kNone};
  Terms terms{.latency_seconds = 0.1, .connection_bytes_per_second = 1e12, .link_bytes_per_second = 1e12};
  auto costs = CostOf(data, options, terms);
  ASSERT_TRUE(costs) << costs.error().message();
  EXPECT_EQ(costs->requests, 96);
  EXPECT_EQ(costs->bytes, 96 * 2048);
  EXPECT_EQ(costs->connections, 64);
  EXPECT_EQ(costs->reread, 1);
  EXPECT_NEAR(costs->seconds, 0.2, 1e-6) << "two rounds of 64";
  EXPECT_NEAR(costs->usd, 0.0096 * 0.004, 1e-12);
  terms.link_bytes_per_second = 2048;
  terms.usd_per_gib = 1024.0 * 1024;
  costs = CostOf(data, options, terms);
  EXPECT_NEAR(costs->seconds, 96, 1e-6);
  EXPECT_NEAR(costs->usd, 0.0096 * 0.004 + 192, 1e-9);
}

TEST(Model, SaysWhyNoLoaderWouldOpen) {
  const auto costs = CostOf(Winds({96, 16, 32}, {1, 16, 32}), {.variables = {"u"}, .memory_bytes = 1000}, {});
  ASSERT_FALSE(costs);
  EXPECT_NE(costs.error().message().find("memory of 1000 B is too small"), std::string::npos)
      << costs.error().message();
}

}  // namespace
}  // namespace seamount::layout
