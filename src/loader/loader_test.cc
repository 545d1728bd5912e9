// The loader end to end over a store in memory, against a naive gather from the whole arrays.
#include "loader/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "store/memory/memory_store.h"

namespace seamount::loader {
namespace {

using testing::HasSubstr;

// One variable: its numbers, and how they are stored.
struct Field {
  std::string name;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> chunk_shape;
  std::optional<std::vector<uint64_t>> shard_shape;
  std::string codecs = "blosc-lz4";
  std::vector<std::string> dims = {"time", "lat", "lon"};
  std::string attributes = R"({"seamount":{"normalize":{"mean":2.0,"std":4.0}}})";
  std::vector<float> values;
};

Field MakeField(const std::string& name, std::vector<uint64_t> shape, std::vector<uint64_t> chunk_shape,
                uint64_t seed) {
  Field field{.name = name, .shape = std::move(shape), .chunk_shape = std::move(chunk_shape)};
  size_t count = 1;
  for (const uint64_t extent : field.shape) count *= extent;
  std::mt19937_64 random(seed);
  // Multiples of an eighth: the numbers normalised by mean 2 and std 4 are exact.
  for (size_t i = 0; i < count; ++i) field.values.push_back(static_cast<float>(random() % 1000) / 8);
  return field;
}

void WriteField(const std::shared_ptr<Store>& store, const Field& field) {
  zarr::ArrayMetadata metadata{.shape = field.shape, .chunk_shape = field.chunk_shape};
  metadata.shard_shape = field.shard_shape;
  metadata.dimension_names = field.dims;
  metadata.attributes_json = field.attributes;
  const float fill = 0;
  metadata.fill_value = Bytes::Copy(std::as_bytes(std::span(&fill, 1)));
  auto codecs = zarr::CodecsFromName(field.codecs, zarr::DataType::kFloat32, true);
  ASSERT_TRUE(codecs) << codecs.error().message();
  metadata.codecs = *codecs;
  auto array = zarr::Array::Create(store, field.name, metadata, false, {});
  ASSERT_TRUE(array) << array.error().message();
  const auto written = (*array)->WriteRegion({zarr::Index(field.shape.size(), 0), field.shape},
                                             std::as_bytes(std::span(field.values)), nullptr, {});
  ASSERT_TRUE(written) << written.error().message();
}

// Passes everything on, counts reads, and lets a test stand in the way of them.
class WatchedStore final : public Store {
 public:
  explicit WatchedStore(std::shared_ptr<Store> base) : base_(std::move(base)) {}
  std::function<Result<void>(const std::string& key)> before_read;
  std::atomic<int> reads = 0;

  Result<std::optional<store::ReadResult>> Read(const std::string& key, const store::ReadOptions& options,
                                                const CallContext& context) override {
    ++reads;
    if (before_read) SEAMOUNT_TRY(before_read(key));
    return base_->Read(key, options, context);
  }
  Result<std::optional<store::ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    return base_->Stat(key, context);
  }
  Result<store::ObjectInfo> Write(const std::string& key, const store::ByteSource& source,
                                  const store::WriteOptions& options, const CallContext& context) override {
    return base_->Write(key, source, options, context);
  }
  Result<bool> Delete(const std::string& key, const store::DeleteOptions& options,
                      const CallContext& context) override {
    return base_->Delete(key, options, context);
  }
  Result<store::ListPage> List(const store::ListOptions& options, const CallContext& context) override {
    return base_->List(options, context);
  }
  Result<store::ObjectInfo> Copy(const std::string& from, const std::string& to, const store::CopyOptions& options,
                                 const CallContext& context) override {
    return base_->Copy(from, to, options, context);
  }
  Result<store::ObjectInfo> Compose(const std::vector<store::ComposeSource>& sources, const std::string& to,
                                    const store::WriteOptions& options, const CallContext& context) override {
    return base_->Compose(sources, to, options, context);
  }

 private:
  std::shared_ptr<Store> base_;
};

// What one batch should hold, gathered element by element.
std::vector<float> NaiveGather(const std::vector<Field>& fields, const std::vector<uint64_t>& index,
                               const std::vector<int64_t>& leads, bool normalize) {
  std::vector<float> out;
  for (const uint64_t sample : index) {
    for (const int64_t lead : leads) {
      for (const Field& field : fields) {
        const size_t axis =
            static_cast<size_t>(std::find(field.dims.begin(), field.dims.end(), "time") - field.dims.begin());
        size_t after = 1;
        for (size_t d = axis + 1; d < field.shape.size(); ++d) after *= field.shape[d];
        const size_t before = field.values.size() / after / field.shape[axis];
        const size_t position = sample + static_cast<uint64_t>(lead);
        for (size_t b = 0; b < before; ++b) {
          for (size_t a = 0; a < after; ++a) {
            const float value = field.values[(b * field.shape[axis] + position) * after + a];
            out.push_back(normalize ? (value - 2.0f) / 4.0f : value);
          }
        }
      }
    }
  }
  return out;
}

struct Epoch {
  std::vector<std::vector<uint64_t>> indices;
  std::vector<std::vector<float>> inputs;
  std::vector<std::vector<float>> targets;
  bool operator==(const Epoch&) const = default;
};

Epoch ReadEpoch(Loader& loader) {
  Epoch epoch;
  size_t field = 1;
  for (const uint64_t extent : loader.field_shape()) field *= extent;
  for (;;) {
    auto batch = loader.Next();
    if (!batch) {
      ADD_FAILURE() << batch.error().message();
      return epoch;
    }
    if (!*batch) return epoch;
    const size_t slots = (*batch)->index.size() * loader.options().variables.size() * field;
    const size_t inputs = slots * loader.options().inputs.size();
    const size_t targets = slots * loader.options().targets.size();
    epoch.indices.push_back((*batch)->index);
    epoch.inputs.emplace_back((*batch)->inputs, (*batch)->inputs + inputs);
    epoch.targets.emplace_back((*batch)->targets, (*batch)->targets + targets);
  }
}

void ExpectEpoch(const Epoch& epoch, const std::vector<Field>& fields, const LoaderOptions& options) {
  for (size_t b = 0; b < epoch.indices.size(); ++b) {
    EXPECT_EQ(epoch.inputs[b], NaiveGather(fields, epoch.indices[b], options.inputs, options.normalize));
    EXPECT_EQ(epoch.targets[b], NaiveGather(fields, epoch.indices[b], options.targets, options.normalize));
  }
}

std::unique_ptr<Loader> OpenOrFail(const std::shared_ptr<Store>& store, LoaderOptions options) {
  auto loader = Loader::Open(store, std::move(options), {});
  EXPECT_TRUE(loader) << loader.error().message();
  return loader ? *std::move(loader) : nullptr;
}

class LoaderTest : public testing::Test {
 protected:
  void SetUp() override {
    fields_ = {MakeField("u", {60, 6, 10}, {4, 6, 10}, 1), MakeField("v", {60, 6, 10}, {5, 4, 7}, 2)};
    fields_[1].codecs = "zstd";
    for (const Field& field : fields_) WriteField(store_, field);
  }

  LoaderOptions Options() {
    return {.variables = {"u", "v"}, .inputs = {-2, 0}, .targets = {1, 3}, .batch_size = 7, .seed = 11, .threads = 2};
  }

  std::shared_ptr<Store> store_ = store::MakeMemoryStore();
  std::vector<Field> fields_;
};

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

TEST_F(LoaderTest, EachChunkIsFetchedOnceWhereTheBudgetAllows) {
  const auto watched = std::make_shared<WatchedStore>(store_);
  LoaderOptions options = Options();
  const auto loader = OpenOrFail(watched, options);
  const int opened = watched->reads;
  ReadEpoch(*loader);
  EXPECT_EQ(watched->reads - opened, 15 + 12 * 2 * 2);  // u: 15 chunks, v: 12 rows of 2 x 2
  EXPECT_EQ(loader->stats().chunks_decoded, 63u);
  ReadEpoch(*loader);  // and everything stays for the next epoch
  EXPECT_EQ(loader->stats().chunks_fetched, 63u);
}

TEST_F(LoaderTest, NeighboursInAShardAreReadTogether) {
  Field sharded = MakeField("s", {64, 6, 10}, {1, 6, 10}, 3);
  sharded.shard_shape = {32, 6, 10};
  WriteField(store_, sharded);
  LoaderOptions options = Options();
  options.variables = {"s"};
  options.shuffle = Shuffle::kBlock;
  const auto loader = OpenOrFail(store_, options);
  ExpectEpoch(ReadEpoch(*loader), {sharded}, options);
  EXPECT_EQ(loader->stats().chunks_fetched, 64u);
  EXPECT_LT(loader->stats().requests, 40u);
}

TEST_F(LoaderTest, AbsentChunksHoldTheFillValue) {
  ASSERT_TRUE(store_->Delete("u/c/0/0/0", {}, {}));
  std::fill(fields_[0].values.begin(), fields_[0].values.begin() + 4 * 60, 0.0f);
  const LoaderOptions options = Options();
  const auto loader = OpenOrFail(store_, options);
  ExpectEpoch(ReadEpoch(*loader), fields_, options);
  EXPECT_EQ(loader->stats().chunks_absent, 1u);
}

TEST_F(LoaderTest, ACorruptChunkIsNamedAndTheBatchesBeforeArrive) {
  const auto info = store_->Write("u/c/10/0/0", store::BytesSource("not a chunk"), {}, {});
  ASSERT_TRUE(info);
  LoaderOptions options = Options();
  options.shuffle = Shuffle::kNone;
  const auto loader = OpenOrFail(store_, options);
  // Rows 40..43 come first in sample 37 (lead 3), which is the first of batch 5.
  for (int i = 0; i < 5; ++i) {
    auto batch = loader->Next();
    ASSERT_TRUE(batch && *batch) << i;
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto batch = loader->Next();
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(batch.error().message(), HasSubstr("variable 'u'"));
    EXPECT_THAT(batch.error().message(), HasSubstr("u/c/10/0/0"));
    EXPECT_EQ(loader->state().position, 35u);
  }
}

TEST_F(LoaderTest, GoesOnAfterAFailureThatPasses) {
  const auto watched = std::make_shared<WatchedStore>(store_);
  const LoaderOptions options = Options();
  const Epoch expected = ReadEpoch(*OpenOrFail(store_, options));
  const auto loader = OpenOrFail(watched, options);
  std::atomic<int> left = 20;
  watched->before_read = [&](const std::string& key) -> Result<void> {
    if (key.starts_with("v/c") && --left == 0) return base::Unavailable("the server is away");
    return {};
  };
  std::vector<std::vector<uint64_t>> indices;
  int errors = 0;
  for (;;) {
    auto batch = loader->Next();
    if (!batch) {
      ++errors;
      EXPECT_EQ(batch.error().code(), ErrorCode::kUnavailable);
      EXPECT_THAT(batch.error().message(), HasSubstr("variable 'v', chunk ("));
    } else if (!*batch) {
      break;
    } else {
      indices.push_back((*batch)->index);
    }
  }
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(indices, expected.indices);
}

TEST_F(LoaderTest, EndsInTheMiddleOfFetches) {
  const auto watched = std::make_shared<WatchedStore>(store_);
  const auto loader = OpenOrFail(watched, Options());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(loader->Wait(std::chrono::milliseconds(0)));
    ASSERT_TRUE(loader->Seek({11, static_cast<uint64_t>(i), static_cast<uint64_t>(i)}));
  }
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
