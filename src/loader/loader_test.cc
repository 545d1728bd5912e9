// The loader end to end over a store in memory, against a naive gather from the whole arrays.
#include "loader/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <random>
#include <set>

#include "loader/testing/fields.h"

namespace seamount::loader {
namespace {

using testing::HasSubstr;

TEST_F(LoaderTest, BatchesHoldWhatANaiveGatherFinds) {
  for (const Shuffle shuffle : {Shuffle::kNone, Shuffle::kBlock, Shuffle::kGlobal}) {
    LoaderOptions options = Options();
    options.shuffle = shuffle;
    const auto loader = OpenOrFail(store_, options);
    ASSERT_EQ(loader->samples(), 55u);
    ASSERT_EQ(loader->batches_per_epoch(), 8u);
    for (uint64_t e = 0; e < 3; ++e) {
      EXPECT_EQ(loader->state(), (LoaderState{11, e, 0}));
      const Epoch epoch = ReadEpoch(*loader);
      ASSERT_EQ(epoch.indices.size(), 8u);
      ExpectEpoch(epoch, fields_, options);
      std::vector<uint64_t> all;
      for (const auto& index : epoch.indices) all.insert(all.end(), index.begin(), index.end());
      const SampleSet samples({{2, 55}});
      std::vector<uint64_t> expected;
      for (const uint32_t number : EpochOrder(samples, shuffle, ChooseBlocks(5, std::vector<int64_t>{-2, 0, 1, 3}), 11,
                                              e, OrderVersion::kSecond)) {
        expected.push_back(samples.PositionOf(number));
      }
      EXPECT_EQ(all, expected);
    }
  }
}

TEST_F(LoaderTest, RandomShapesChunksShardsAndAxes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::string> names = {"time", "lat", "lon"};
  for (int round = 0; round < 25; ++round) {
    const auto store = std::shared_ptr<Store>(store::MakeMemoryStore());
    std::vector<Field> fields;
    const std::vector<uint64_t> extents = {20 + random() % 20, 1 + random() % 6, 1 + random() % 6};
    for (const std::string name : {"a", "b", "c"}) {
      const size_t shift = random() % 2 == 0 ? 0 : random() % 3;  // rotates time to another place
      std::vector<uint64_t> shape;
      std::vector<uint64_t> chunk;
      std::vector<std::string> dims;
      for (size_t d = 0; d < 3; ++d) {
        // Rotating would change the order of lat and lon, so only time moves.
        const size_t from = d == shift ? 0 : (d < shift ? d + 1 : d);
        shape.push_back(extents[from]);
        dims.push_back(names[from]);
        chunk.push_back(1 + random() % shape.back());
      }
      Field field = MakeField(name, shape, chunk, random());
      field.dims = dims;
      if (random() % 2 == 0) {
        field.shard_shape = chunk;
        for (auto& extent : *field.shard_shape) extent *= 1 + random() % 3;
      }
      WriteField(store, field);
      fields.push_back(std::move(field));
    }
    LoaderOptions options{.variables = {"a", "b", "c"},
                          .inputs = {-1, 0},
                          .targets = {2},
                          .batch_size = 1 + random() % 9,
                          .shuffle = static_cast<Shuffle>(random() % 3),
                          .seed = random(),
                          .normalize = random() % 2 == 0,
                          .threads = static_cast<int>(1 + random() % 4)};
    options.memory_bytes = (1 << 18) + random() % (1 << 20);
    const auto loader = OpenOrFail(store, options);
    ASSERT_TRUE(loader);
    ExpectEpoch(ReadEpoch(*loader), fields, options);
    ExpectEpoch(ReadEpoch(*loader), fields, options);
  }
}

TEST_F(LoaderTest, ThreadsAndMemoryDoNotChangeTheBatches) {
  LoaderOptions options = Options();
  options.shuffle = Shuffle::kGlobal;
  const Epoch expected = ReadEpoch(*OpenOrFail(store_, options));
  for (const int threads : {1, 3, 8}) {
    for (const uint64_t memory : {uint64_t{120} << 10, uint64_t{1} << 20, uint64_t{64} << 20}) {
      options.threads = threads;
      options.memory_bytes = memory;
      EXPECT_EQ(ReadEpoch(*OpenOrFail(store_, options)), expected);
    }
  }
}

// Chunks that are far smaller encoded come well before there is room to decode them.
TEST_F(LoaderTest, WithLittleMemoryEveryOrderGoesOn) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto store = std::shared_ptr<Store>(store::MakeMemoryStore());
  for (Field& field : fields_) {
    for (size_t i = 0; i < field.values.size(); ++i) field.values[i] = static_cast<float>(i / 90) / 8;
    WriteField(store, field);
  }
  LoaderOptions options = Options();
  uint64_t least = 1 << 10;
  for (options.memory_bytes = least; !TryOpen(store, options); options.memory_bytes += 256)
    least = options.memory_bytes;
  for (int round = 0; round < 60; ++round) {
    options.memory_bytes = least + 256 + random() % (least / 2);
    options.shuffle = static_cast<Shuffle>(random() % 3);
    options.seed = random();
    options.threads = static_cast<int>(1 + random() % 4);
    const auto loader = OpenOrFail(store, options);
    ASSERT_TRUE(loader);
    ExpectEpoch(ReadEpoch(*loader), fields_, options);
    ExpectEpoch(ReadEpoch(*loader), fields_, options);
    EXPECT_LE(loader->stats().memory_peak, options.memory_bytes);
  }
}

TEST_F(LoaderTest, MemoryStaysInsideTheBudget) {
  LoaderOptions options = Options();
  options.memory_bytes = 120 << 10;  // a batch has 27 KiB, all chunks 29 KiB
  options.threads = 4;
  const auto loader = OpenOrFail(store_, options);
  ReadEpoch(*loader);
  EXPECT_LE(loader->stats().memory_peak, options.memory_bytes);
  EXPECT_GT(loader->stats().memory_peak, 0u);
}

TEST_F(LoaderTest, TooLittleMemorySaysHowMuch) {
  LoaderOptions options = Options();
  options.memory_bytes = 20 << 10;
  const auto loader = TryOpen(store_, options);
  ASSERT_FALSE(loader);
  EXPECT_EQ(loader.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(loader.error().message(), HasSubstr("is too small"));
}

TEST_F(LoaderTest, ResumesAtEveryPosition) {
  LoaderOptions options = Options();
  const auto whole = OpenOrFail(store_, options);
  std::vector<LoaderState> states = {whole->state()};
  std::vector<std::vector<uint64_t>> indices;
  std::vector<std::vector<float>> first_inputs;
  const size_t elements = 2 * 2 * 60;  // of one sample's inputs
  for (int i = 0; i < 20; ++i) {       // two epochs and a bit
    auto batch = whole->Next();
    ASSERT_TRUE(batch);
    states.push_back(whole->state());
    indices.push_back(*batch ? (*batch)->index : std::vector<uint64_t>());
    first_inputs.emplace_back();
    if (*batch) first_inputs.back().assign((*batch)->slots[0].floats(), (*batch)->slots[0].floats() + elements);
  }
  for (size_t i = 0; i + 1 < states.size(); ++i) {
    options.threads = 1 + static_cast<int>(i % 3);
    const auto resumed = OpenOrFail(store_, options);
    ASSERT_TRUE(resumed->Seek(states[i]));
    auto batch = resumed->Next();
    ASSERT_TRUE(batch);
    ASSERT_EQ(batch->has_value(), !indices[i].empty()) << i;
    EXPECT_EQ(resumed->state(), states[i + 1]);
    if (!*batch) continue;
    EXPECT_EQ((*batch)->index, indices[i]);
    EXPECT_EQ(std::vector<float>((*batch)->slots[0].floats(), (*batch)->slots[0].floats() + elements), first_inputs[i]);
  }
}

// What each rank of a world hands out in one epoch, and how much it fetched.
struct Ranks {
  std::vector<Epoch> epochs;
  uint64_t chunks_fetched = 0;
};

Ranks ReadRanks(const std::shared_ptr<Store>& store, LoaderOptions options, uint64_t world,
                const std::string& order = "") {
  Ranks ranks;
  options.world = world;
  for (options.rank = 0; options.rank < world; ++options.rank) {
    const auto loader = OpenOrFail(store, options);
    if (!order.empty()) {
      EXPECT_TRUE(loader->Resume(loader->state(), order));
    }
    ranks.epochs.push_back(ReadEpoch(*loader));
    ranks.chunks_fetched += loader->stats().chunks_fetched;
  }
  return ranks;
}

TEST_F(LoaderTest, AStepHoldsTheSameSamplesForAnyNumberOfRanks) {
  for (const Shuffle shuffle : {Shuffle::kNone, Shuffle::kBlock, Shuffle::kGlobal}) {
    LoaderOptions options = Options();
    options.shuffle = shuffle;
    options.batch_size = 6;
    const Epoch alone = ReadEpoch(*OpenOrFail(store_, options));
    for (const uint64_t world : {2, 3}) {
      options.batch_size = 6 / world;
      const Ranks ranks = ReadRanks(store_, options, world);
      for (size_t step = 0; step < alone.indices.size(); ++step) {
        std::vector<uint64_t> together;
        for (const Epoch& rank : ranks.epochs) {
          ASSERT_EQ(rank.indices.size(), alone.indices.size());
          together.insert(together.end(), rank.indices[step].begin(), rank.indices[step].end());
        }
        // The last step has one sample, which every rank gets.
        if (step + 1 == alone.indices.size()) together.resize(1);
        std::vector<uint64_t> expected = alone.indices[step];
        std::sort(expected.begin(), expected.end());
        std::sort(together.begin(), together.end());
        EXPECT_EQ(together, expected);
      }
    }
  }
}

TEST_F(LoaderTest, RanksDoNotFetchTheSameChunks) {
  WriteField(store_, MakeField("w", {512, 1, 1}, {32, 1, 1}, 5));
  LoaderOptions options{.variables = {"w"}, .batch_size = 8, .shuffle = Shuffle::kBlock, .seed = 3, .threads = 1};
  EXPECT_EQ(ReadRanks(store_, options, 1).chunks_fetched, 16u);
  EXPECT_EQ(ReadRanks(store_, options, 4).chunks_fetched, 16u);
}

TEST_F(LoaderTest, AStateOfTheFirstVersionGoesOnInItsOrder) {
  WriteField(store_, MakeField("w", {193, 1, 1}, {8, 1, 1}, 5));
  LoaderOptions options{.variables = {"w"}, .batch_size = 8, .shuffle = Shuffle::kBlock, .seed = 3, .threads = 1};
  const std::string order = "v1 samples 0+193 shuffle block 64x2 from 0";
  const SampleSet samples({{0, 193}});
  const auto numbers =
      EpochOrder(samples, Shuffle::kBlock, ChooseBlocks(8, options.inputs), 3, 0, OrderVersion::kFirst);
  const Ranks ranks = ReadRanks(store_, options, 3, order);
  std::vector<uint64_t> together;
  for (size_t step = 0; step < ranks.epochs[0].indices.size(); ++step) {
    for (const Epoch& rank : ranks.epochs) {
      together.insert(together.end(), rank.indices[step].begin(), rank.indices[step].end());
    }
  }
  EXPECT_EQ(together, std::vector<uint64_t>(numbers.begin(), numbers.end() - 1));  // slices, the rest left out
  const auto loader = OpenOrFail(store_, options);
  ASSERT_TRUE(loader->Resume({3, 0, 16}, order));
  EXPECT_EQ(loader->order_id(), order);
  const auto batch = loader->Next();
  ASSERT_TRUE(batch && *batch);
  EXPECT_EQ((*batch)->index, std::vector<uint64_t>(numbers.begin() + 16, numbers.begin() + 24));
  const auto other = loader->Resume({3, 0, 16}, "v1 samples 0+194 shuffle block 64x2 from 0");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message(), HasSubstr("another order of samples"));
}

TEST_F(LoaderTest, EvaluationOnSeveralRanksSeesEverySample) {
  LoaderOptions options = Options();
  options.batch_size = 4;
  for (const uint64_t world : {2, 3, 4, 7, 60}) {
    const Ranks ranks = ReadRanks(store_, options, world);
    std::set<uint64_t> seen;
    for (const Epoch& rank : ranks.epochs) {
      EXPECT_EQ(rank.indices.size(), ranks.epochs.front().indices.size());
      for (const auto& index : rank.indices) seen.insert(index.begin(), index.end());
    }
    EXPECT_EQ(seen.size(), 55u) << world;
  }
  options.world = 60;
  options.rank = 59;
  const auto loader = OpenOrFail(store_, options);
  const auto batch = loader->Next();
  ASSERT_TRUE(batch && *batch);
  EXPECT_EQ((*batch)->index.size(), 1u);
  EXPECT_EQ((*batch)->padding, 1u);
}

TEST_F(LoaderTest, PlannedInManyStretchesTheBatchesAreTheSame) {
  WriteField(store_, MakeField("w", {3000, 1, 1}, {1, 1, 1}, 5));
  LoaderOptions options{.variables = {"w"}, .inputs = {-1, 0}, .batch_size = 16, .seed = 3, .threads = 2};
  for (const Shuffle shuffle : {Shuffle::kNone, Shuffle::kBlock, Shuffle::kGlobal}) {
    options.shuffle = shuffle;
    options.memory_bytes = 16 << 20;
    const auto at_once = OpenOrFail(store_, options);
    options.memory_bytes = 60 << 10;  // a plan for 100 bytes a use, of which there are some 6,000, takes 600 KB
    const auto in_stretches = OpenOrFail(store_, options);
    for (int epoch = 0; epoch < 2; ++epoch) EXPECT_EQ(ReadEpoch(*in_stretches), ReadEpoch(*at_once));
    EXPECT_LE(in_stretches->stats().memory_peak, options.memory_bytes);
    ASSERT_TRUE(in_stretches->Seek({3, 1, 1600}));
    ASSERT_TRUE(at_once->Seek({3, 1, 1600}));
    EXPECT_EQ(ReadEpoch(*in_stretches), ReadEpoch(*at_once));
  }
}

TEST_F(LoaderTest, WhereMissingValuesAreFilledAMaskSaysWhere) {
  Field field = MakeField("m", {20, 2, 3}, {4, 2, 2}, 8);
  for (size_t i = 0; i < field.values.size(); i += 3) field.values[i] = std::numeric_limits<float>::quiet_NaN();
  WriteField(store_, field);
  LoaderOptions options{.variables = {"m"}, .targets = {1}, .batch_size = 4, .shuffle = Shuffle::kNone};
  const auto plain = OpenOrFail(store_, options)->Next();
  ASSERT_TRUE(plain && *plain);
  EXPECT_TRUE((*plain)->missing);
  EXPECT_EQ((*plain)->slots[0].mask, nullptr);
  options.missing.fill = -0.5;
  const auto filled = OpenOrFail(store_, options)->Next();
  ASSERT_TRUE(filled && *filled);
  EXPECT_FALSE((*filled)->missing);
  for (size_t i = 0; i < 24; ++i) {
    EXPECT_EQ((*filled)->slots[0].mask[i], i % 3 == 0);
    EXPECT_EQ((*filled)->slots[0].floats()[i], i % 3 == 0 ? -0.5F : (field.values[i] - 2) / 4) << i;
    EXPECT_EQ((*filled)->slots[1].mask[i], i % 3 == 0);
    EXPECT_EQ((*filled)->slots[1].floats()[i], i % 3 == 0 ? -0.5F : (field.values[i + 6] - 2) / 4) << i;
  }
  options.variables = {"u"};
  const auto whole = OpenOrFail(store_, options)->Next();
  ASSERT_TRUE(whole && *whole);
  EXPECT_FALSE((*whole)->missing);
}

TEST_F(LoaderTest, BatchesOutliveTheLoaderAndTheirMemoryIsUsedAgain) {
  auto loader = OpenOrFail(store_, Options());
  const float* first = nullptr;
  {
    const auto batch = loader->Next();
    ASSERT_TRUE(batch && *batch);
    first = (*batch)->slots[0].floats();
  }
  bool again = false;
  std::optional<Batch> last;
  for (int i = 0; i < 20;
       ++i) {  // two epochs: in the first one each of its eight batches may have a buffer from the start
    auto batch = loader->Next();
    ASSERT_TRUE(batch);
    if (!*batch) continue;
    again = again || (*batch)->slots[0].floats() == first;
    last = **batch;
  }
  EXPECT_TRUE(again);
  const float value = last->slots[0].floats()[0];
  loader.reset();
  EXPECT_EQ(last->slots[0].floats()[0], value);
}

TEST_F(LoaderTest, OptionsThatCannotBeAreExplained) {
  struct Case {
    std::function<void(LoaderOptions&)> change;
    ErrorCode code;
    std::string message;
  };
  WriteField(store_, [] {
    Field other = MakeField("w", {60, 6, 11}, {4, 6, 11}, 4);
    other.attributes = "{}";
    return other;
  }());
  const Case cases[] = {
      {[](auto& o) { o.variables = {"uu"}; }, ErrorCode::kNotFound, "there is no variable 'uu'"},
      {[](auto& o) { o.variables = {}; }, ErrorCode::kInvalidArgument, "variables"},
      {[](auto& o) {
         o.variables = {"u", "w"};
         o.normalize = false;
       },
       ErrorCode::kInvalidArgument, "different shape"},
      {[](auto& o) { o.variables = {"w"}; }, ErrorCode::kInvalidArgument, "['seamount']['normalize']"},
      {[](auto& o) { o.sample_dim = "tme"; }, ErrorCode::kInvalidArgument, "did you mean 'time'"},
      {[](auto& o) { o.batch_size = 0; }, ErrorCode::kInvalidArgument, "batch_size"},
      {[](auto& o) { o.inputs = {}; }, ErrorCode::kInvalidArgument, "inputs"},
      {[](auto& o) { o.inputs = {-100}; }, ErrorCode::kInvalidArgument, "no sample fits"},
      {[](auto& o) {
         o.select = {{10, 61}};
       },
       ErrorCode::kInvalidArgument, "positions 0..60"},
      {[](auto& o) {
         o.select = {{0, 30}, {29, 40}};
       },
       ErrorCode::kInvalidArgument, "0..30 and 29..40 overlap"},
      {[](auto& o) {
         o.rank = 2;
         o.world = 2;
       },
       ErrorCode::kInvalidArgument, "rank"},
      {[](auto& o) { o.threads = -1; }, ErrorCode::kInvalidArgument, "threads"},
      {[](auto& o) {
         o.normalization["x"] = {0, 1};
       },
       ErrorCode::kInvalidArgument, "'x'"},
      {[](auto& o) {
         o.normalization["u"] = {0, 0};
       },
       ErrorCode::kInvalidArgument, "std"},
      {[](auto& o) { o.batch_size = uint64_t{1} << 62; }, ErrorCode::kInvalidArgument, "too large"},
  };
  for (const Case& c : cases) {
    LoaderOptions options = Options();
    c.change(options);
    const auto loader = TryOpen(store_, options);
    ASSERT_FALSE(loader) << c.message;
    EXPECT_EQ(loader.error().code(), c.code) << loader.error().message();
    EXPECT_THAT(loader.error().message(), HasSubstr(c.message));
  }
}

TEST_F(LoaderTest, AForkedChildIsTold) {
  const auto loader = OpenOrFail(store_, Options());
  ASSERT_TRUE(loader->Next());
  const pid_t child = fork();
  if (child == 0) {
    const auto batch = loader->Next();
    const bool told = !batch && batch.error().code() == ErrorCode::kPreconditionFailed &&
                      batch.error().message().find("forked") != std::string::npos;
    _exit(told ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(loader->Next());
}

}  // namespace
}  // namespace seamount::loader
