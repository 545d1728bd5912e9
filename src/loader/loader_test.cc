// The loader end to end over a store in memory, against a naive gather from the whole arrays.
#include "loader/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <random>

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
      EXPECT_EQ(all, EpochOrder({2, 55}, shuffle, ChooseBlocks(5, std::vector<int64_t>{-2, 0, 1, 3}), 11, e));
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
  const auto loader = Loader::Open(store_, options, {});
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
    if (*batch) first_inputs.back().assign((*batch)->inputs, (*batch)->inputs + elements);
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
    EXPECT_EQ(std::vector<float>((*batch)->inputs, (*batch)->inputs + elements), first_inputs[i]);
  }
}

TEST_F(LoaderTest, RanksShareTheSameOrder) {
  LoaderOptions options = Options();
  options.batch_size = 6;
  std::vector<uint64_t> alone;
  for (const auto& index : ReadEpoch(*OpenOrFail(store_, options)).indices) {
    alone.insert(alone.end(), index.begin(), index.end());
  }
  options.batch_size = 3;
  options.world = 2;
  std::vector<Epoch> ranks;
  for (options.rank = 0; options.rank < 2; ++options.rank) ranks.push_back(ReadEpoch(*OpenOrFail(store_, options)));
  ASSERT_EQ(ranks[0].indices.size(), ranks[1].indices.size());
  std::vector<uint64_t> together;
  for (size_t step = 0; step < ranks[0].indices.size(); ++step) {
    for (const Epoch& rank : ranks) {
      together.insert(together.end(), rank.indices[step].begin(), rank.indices[step].end());
    }
  }
  alone.resize(together.size());  // the 55th sample has no partner
  EXPECT_EQ(together, alone);
  EXPECT_EQ(together.size(), 54u);
}

TEST_F(LoaderTest, BatchesOutliveTheLoaderAndTheirMemoryIsUsedAgain) {
  auto loader = OpenOrFail(store_, Options());
  float* first = nullptr;
  {
    const auto batch = loader->Next();
    ASSERT_TRUE(batch && *batch);
    first = (*batch)->inputs;
  }
  bool again = false;
  std::optional<Batch> last;
  for (int i = 0; i < 20;
       ++i) {  // two epochs: in the first one each of its eight batches may have a buffer from the start
    auto batch = loader->Next();
    ASSERT_TRUE(batch);
    if (!*batch) continue;
    again = again || (*batch)->inputs == first;
    last = **batch;
  }
  EXPECT_TRUE(again);
  const float value = last->inputs[0];
  loader.reset();
  EXPECT_EQ(last->inputs[0], value);
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
      {[](auto& o) { o.variables = {"w"}; }, ErrorCode::kInvalidArgument, "seamount.normalize"},
      {[](auto& o) { o.sample_dim = "tme"; }, ErrorCode::kInvalidArgument, "did you mean 'time'"},
      {[](auto& o) { o.batch_size = 0; }, ErrorCode::kInvalidArgument, "batch_size"},
      {[](auto& o) { o.inputs = {}; }, ErrorCode::kInvalidArgument, "inputs"},
      {[](auto& o) { o.inputs = {-100}; }, ErrorCode::kInvalidArgument, "no sample fits"},
      {[](auto& o) {
         o.select = {10, 61};
       },
       ErrorCode::kInvalidArgument, "positions 0..60"},
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
    const auto loader = Loader::Open(store_, options, {});
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
