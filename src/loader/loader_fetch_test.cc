// What the loader asks of the store, and what becomes of answers that are missing, damaged or late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>

#include "loader/testing/fields.h"
#include "nd/box.h"
#include "zarr/group.h"

namespace seamount::loader {
namespace {

using testing::HasSubstr;

// Passes everything on, counts reads, and lets a test stand in the way of them.
class WatchedStore final : public Store {
 public:
  explicit WatchedStore(std::shared_ptr<Store> base) : base_(std::move(base)) {}
  std::function<Result<void>(const std::string& key)> before_read;
  std::function<void(const std::string& key)> before_stat;
  std::atomic<int> reads = 0;

  Result<std::optional<store::ReadResult>> Read(const std::string& key, const store::ReadOptions& options,
                                                const CallContext& context) override {
    ++reads;
    if (before_read) SEAMOUNT_TRY(before_read(key));
    return base_->Read(key, options, context);
  }
  Result<std::optional<store::ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    if (before_stat) before_stat(key);
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
  Result<store::ObjectInfo> Move(const std::string& from, const std::string& to, const store::MoveOptions& options,
                                 const CallContext& context) override {
    return base_->Move(from, to, options, context);
  }
  Result<store::ObjectInfo> Patch(const std::string& key, const store::AttributeChanges& changes,
                                  const store::PatchOptions& options, const CallContext& context) override {
    return base_->Patch(key, changes, options, context);
  }
  store::Capabilities capabilities() const override { return base_->capabilities(); }

 private:
  std::shared_ptr<Store> base_;
};

TEST_F(LoaderTest, LooksAreNoMoreThanBatches) {
  ASSERT_TRUE(zarr::CreateGroup(*store_, "", {}, true, {}));
  const auto watched = std::make_shared<WatchedStore>(store_);
  std::atomic<int> looks = 0;
  watched->before_stat = [&](const std::string&) { ++looks; };
  const auto loader = OpenOrFail(watched, Options());
  int batches = 0;
  for (auto batch = loader->Next(); batch && *batch; batch = loader->Next()) ++batches;
  EXPECT_GE(batches, 2);
  EXPECT_LE(looks, batches + 1);  // each of one document, and one at the end of the epoch
}

TEST_F(LoaderTest, DocumentsAreReadWithTheGroupsAndLookedAtBeforeABatchIsHandedOut) {
  ASSERT_TRUE(zarr::CreateGroup(*store_, "", {}, true, {}));
  for (const bool replaced : {false, true}) {
    const auto watched = std::make_shared<WatchedStore>(store_);
    std::promise<void> early;
    watched->before_read = [&](const std::string& key) -> Result<void> {
      if (key == "u/zarr.json") early.set_value();
      // Forever, if one were read after the other.
      if (key == "zarr.json" && early.get_future().wait_for(std::chrono::minutes(1)) != std::future_status::ready) {
        return base::Unavailable("u was not asked for meanwhile");
      }
      return {};
    };
    auto group = Group::Open(watched, {"u", "v", "none"}, {});
    ASSERT_TRUE(group) << group.error().message();
    const int reads = watched->reads;
    const auto loader = Loader::Open({*std::move(group)}, Options(), {});
    ASSERT_TRUE(loader) << loader.error().message();
    EXPECT_EQ(watched->reads, reads) << "what was read is read again";
    const auto document = store_->Read("u/zarr.json", {}, {});
    ASSERT_TRUE(document && *document);
    if (replaced) {
      ASSERT_TRUE(store_->Write("u/zarr.json", store::BytesSource((*document)->data), {}, {}));
    }
    const auto batch = (*loader)->Next();
    EXPECT_EQ(batch && *batch, !replaced);
    if (!batch) {
      EXPECT_THAT(batch.error().message(), HasSubstr("were replaced"));
    }
  }
}

TEST_F(LoaderTest, VariablesAreOpenedTogether) {
  const auto watched = std::make_shared<WatchedStore>(store_);
  std::promise<void> other;
  watched->before_read = [&](const std::string& key) -> Result<void> {
    if (key == "v/zarr.json") other.set_value();
    // Forever, if one were opened after the other.
    if (key == "u/zarr.json" && other.get_future().wait_for(std::chrono::minutes(1)) != std::future_status::ready) {
      return base::Unavailable("v was not asked for meanwhile");
    }
    return {};
  };
  const auto loader = TryOpen(watched, Options());
  EXPECT_TRUE(loader) << loader.error().message();
}

TEST_F(LoaderTest, OfSeveralVariablesThatAreNotThereTheFirstIsNamed) {
  const auto watched = std::make_shared<WatchedStore>(store_);
  std::promise<void> later;
  watched->before_read = [&](const std::string& key) -> Result<void> {
    if (key == "missing_b/zarr.json") later.set_value();
    if (key == "missing_a/zarr.json") later.get_future().wait();
    return {};
  };
  LoaderOptions options = Options();
  options.variables = {"u", "missing_a", "missing_b", "v"};
  const auto loader = TryOpen(watched, options);
  ASSERT_FALSE(loader);
  EXPECT_THAT(loader.error().message(), HasSubstr("there is no variable 'missing_a'"));
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

TEST_F(LoaderTest, AChunkThatWasWrittenAndIsGoneIsAnError) {
  Field whole = MakeField("w", {60, 6, 10}, {4, 6, 10}, 7);
  whole.attributes = R"({"seamount":{"every_object":true}})";
  WriteField(store_, whole);
  whole.name = "s";
  whole.shard_shape = {8, 6, 10};
  WriteField(store_, whole);
  ASSERT_TRUE(store_->Delete("w/c/3/0/0", {}, {}));
  ASSERT_TRUE(store_->Delete("s/c/3/0/0", {}, {}));
  for (const std::string name : {"w", "s"}) {
    LoaderOptions options{.variables = {name}, .shuffle = Shuffle::kNone, .normalize = false, .threads = 1};
    const auto loader = OpenOrFail(store_, options);
    Result<std::optional<Batch>> batch = loader->Next();
    while (batch && *batch) batch = loader->Next();
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(batch.error().message(), HasSubstr("'" + name + "/c/3/0/0' is gone"));
    options.missing_chunks = MissingChunks::kFill;
    const auto filling = OpenOrFail(store_, options);
    EXPECT_EQ(ReadEpoch(*filling).indices.size(), 4u);
    EXPECT_EQ(filling->stats().chunks_absent, name == "w" ? 1u : 2u);
  }
  LoaderOptions strict{.variables = {"u"}, .missing_chunks = MissingChunks::kError};
  ASSERT_TRUE(store_->Delete("u/c/0/0/0", {}, {}));
  const auto loader = OpenOrFail(store_, strict);
  Result<std::optional<Batch>> batch = loader->Next();
  while (batch && *batch) batch = loader->Next();
  EXPECT_FALSE(batch);
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
      EXPECT_THAT(batch.error().message(), HasSubstr("variable 'v': chunk 'v/c/"));
    } else if (!*batch) {
      break;
    } else {
      indices.push_back((*batch)->index);
    }
  }
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(indices, expected.indices);
}

TEST_F(LoaderTest, SaysWhatTheTimeWentTo) {
  const auto watched = std::make_shared<WatchedStore>(store_);
  std::promise<void> gate;
  const std::shared_future<void> opened = gate.get_future().share();
  const auto loader = OpenOrFail(watched, Options());
  watched->before_read = [&](const std::string&) -> Result<void> {
    opened.wait();
    return {};
  };
  // While no chunk comes it is the network that is waited for, and nothing else.
  while (loader->stats().wait_network_seconds == 0) ASSERT_FALSE(*loader->Wait(std::chrono::milliseconds(1)));
  EXPECT_EQ(loader->stats().wait_decode_seconds, 0);
  EXPECT_EQ(loader->stats().trainer_seconds, 0);
  gate.set_value();
  // From memory, chunks come as fast as they are decoded.
  for (int epoch = 0; epoch == 0 || loader->stats().wait_decode_seconds == 0; ++epoch) (void)ReadEpoch(*loader);
  const Stats stats = loader->stats();
  EXPECT_GT(stats.trainer_seconds, 0);
  EXPECT_NEAR(stats.wait_seconds, stats.wait_network_seconds + stats.wait_decode_seconds + stats.wait_plan_seconds,
              1e-6);
  // What lies between two epochs is not the trainer's.
  const double before = loader->stats().trainer_seconds;
  ASSERT_TRUE(loader->Wait(std::chrono::seconds(60)));
  EXPECT_EQ(loader->stats().trainer_seconds, before);
}

TEST_F(LoaderTest, EndsInTheMiddleOfFetches) {
  const auto watched = std::make_shared<WatchedStore>(store_);
  const auto loader = OpenOrFail(watched, Options());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(loader->Wait(std::chrono::milliseconds(0)));
    ASSERT_TRUE(loader->Seek({11, static_cast<uint64_t>(i), static_cast<uint64_t>(i)}));
  }
}

}  // namespace
}  // namespace seamount::loader
