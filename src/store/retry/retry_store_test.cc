#include "store/retry/retry_store.h"

#include <gtest/gtest.h>

#include <functional>

#include "store/decorated_store.h"
#include "store/memory/memory_store.h"
#include "store/testing/conformance.h"
#include "store/testing/fault_store.h"

namespace seamount::store {
namespace {

constexpr BackoffOptions kAtOnce = {.initial = std::chrono::microseconds(1), .longest = std::chrono::microseconds(2)};

// A third of all calls fail, half of these after they have had their effect: with retries nobody notices. (Deletes are
// left out: whether a lost one had found something cannot be known, see retry_store.h.)
const int kConformance = JoinConformance(
    "RetryStoreOverFaults",
    [] {
      const FaultOptions faults{.seed = TestSeed(), .fail_before = 0.17, .fail_after = 0.17, .faulty_deletes = false};
      return MakeRetryStore(std::make_shared<FaultStore>(MakeMemoryStore(), faults), {.backoff = kAtOnce});
    },
    {.loses_answers = true});

// The memory store, but Write, Copy, Compose and Delete have their effect and then fail, the first `times` times.
class LostAnswers final : public DecoratedStore<LostAnswers> {
 public:
  explicit LostAnswers(int times, std::function<void()> meanwhile = nullptr)
      : DecoratedStore(MakeMemoryStore()), times_(times), meanwhile_(std::move(meanwhile)) {}

  template <class T, class Call>
  Result<T> Around(const StoreCall& which, const Call& call) {
    Result<T> result = call();
    const bool changes =
        which.kind != CallKind::kRead && which.kind != CallKind::kStat && which.kind != CallKind::kList;
    if (!changes) return result;
    ++calls;
    if (times_ <= 0) return result;
    --times_;
    if (meanwhile_) meanwhile_();
    return base::Unavailable("the answer was lost");
  }

  using DecoratedStore::inner;
  int calls = 0;

 private:
  int times_;
  std::function<void()> meanwhile_;
};

class RetryStoreTest : public testing::Test {
 protected:
  std::shared_ptr<Store> Over(std::shared_ptr<Store> inner) {
    return MakeRetryStore(std::move(inner), {.clock = &clock_});
  }
  base::FakeClock clock_;
};

TEST_F(RetryStoreTest, RecognisesItsOwnWrite) {
  const auto lost = std::make_shared<LostAnswers>(1);
  const auto store = Over(lost);
  const auto written = store->Write("k", BytesSource("mine"), {.if_generation = kAbsent}, {});
  ASSERT_TRUE(written) << written.error().ToString();
  EXPECT_EQ(lost->calls, 2);
  EXPECT_EQ(written->generation, (*lost->inner().Stat("k", {}))->generation);
}

TEST_F(RetryStoreTest, DoesNotClaimAnothersWrite) {
  std::shared_ptr<LostAnswers> lost;
  lost = std::make_shared<LostAnswers>(1, [&] { (void)lost->inner().Write("k", BytesSource("other"), {}, {}); });
  const auto written = Over(lost)->Write("k", BytesSource("mine!"), {.if_generation = kAbsent}, {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), ErrorCode::kPreconditionFailed);
}

TEST_F(RetryStoreTest, RecognisesItsOwnAppend) {
  const auto lost = std::make_shared<LostAnswers>(1);
  const auto store = Over(lost);
  const auto log = lost->inner().Write("log", BytesSource("one "), {}, {});
  ASSERT_TRUE(log && lost->inner().Write("tail", BytesSource("two"), {}, {}));
  const auto longer =
      store->Compose({{"log", log->generation}, {"tail", std::nullopt}}, "log", {.if_generation = log->generation}, {});
  ASSERT_TRUE(longer) << longer.error().ToString();
  EXPECT_EQ((*lost->inner().Read("log", {}, {}))->data.view(), "one two");
}

TEST_F(RetryStoreTest, NeverAppendsTwice) {
  const auto lost = std::make_shared<LostAnswers>(1);
  ASSERT_TRUE(lost->inner().Write("log", BytesSource("x"), {}, {}));
  const auto doubled = Over(lost)->Compose({{"log", std::nullopt}, {"log", std::nullopt}}, "log", {}, {});
  ASSERT_FALSE(doubled);
  EXPECT_EQ(doubled.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ((*lost->inner().Read("log", {}, {}))->data.view(), "xx");
}

TEST_F(RetryStoreTest, RecognisesItsOwnCopyAndDelete) {
  const auto lost = std::make_shared<LostAnswers>(1);
  const auto made = lost->inner().Write("k", BytesSource("x"), {.metadata = {{"a", "1"}}}, {});
  ASSERT_TRUE(made);
  const auto changed = Over(lost)->Copy(
      "k", "k", {.if_source_generation = made->generation, .metadata = std::map<std::string, std::string>{{"a", "2"}}},
      {});
  ASSERT_TRUE(changed) << changed.error().ToString();
  EXPECT_EQ(changed->metadata.at("a"), "2");
  const auto again = std::make_shared<LostAnswers>(1);
  const auto doomed = again->inner().Write("k", BytesSource("x"), {}, {});
  ASSERT_TRUE(doomed);
  const auto deleted = Over(again)->Delete("k", {.if_generation = doomed->generation}, {});
  ASSERT_TRUE(deleted) << deleted.error().ToString();
  EXPECT_TRUE(*deleted);
}

TEST_F(RetryStoreTest, GivesUpWithinItsBudget) {
  const auto lost = std::make_shared<LostAnswers>(1'000'000);
  const auto start = clock_.Now();
  const auto written =
      MakeRetryStore(lost, {.budget = std::chrono::seconds(5), .clock = &clock_})->Write("k", BytesSource("x"), {}, {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(written.error().message().find("gave up after"), std::string::npos) << written.error().message();
  EXPECT_LE(clock_.Now() - start, std::chrono::seconds(5));
  EXPECT_GT(lost->calls, 3);
}

// Takes two minutes for a Write, as a large object on a slow line does, and can fail at its end.
class SlowWrites final : public DecoratedStore<SlowWrites> {
 public:
  SlowWrites(base::FakeClock* clock, int failures)
      : DecoratedStore(MakeMemoryStore()), clock_(clock), failures_(failures) {}
  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override {
    const auto end = clock_->Now() + std::chrono::minutes(2);
    if (context.deadline < end) return base::Unavailable("the deadline passed");
    clock_->Advance(std::chrono::minutes(2));
    if (failures_-- > 0) return base::Unavailable("connection reset");
    return inner().Write(key, source, options, {});
  }

 private:
  base::FakeClock* const clock_;
  int failures_;
};

TEST_F(RetryStoreTest, TheBudgetIsForFailuresNotForWorkThatGoesWell) {
  EXPECT_TRUE(Over(std::make_shared<SlowWrites>(&clock_, 0))->Write("k", BytesSource("x"), {}, {}));
  EXPECT_TRUE(Over(std::make_shared<SlowWrites>(&clock_, 1))->Write("k", BytesSource("x"), {}, {}));
  const auto failed = Over(std::make_shared<SlowWrites>(&clock_, 2))->Write("k", BytesSource("x"), {}, {});
  ASSERT_FALSE(failed) << "its second failure came a minute after the budget was spent";
  const auto start = clock_.Now();
  const CallContext short_of_time{.deadline = start + std::chrono::seconds(5)};
  EXPECT_FALSE(Over(std::make_shared<SlowWrites>(&clock_, 0))->Write("k", BytesSource("x"), {}, short_of_time));
  EXPECT_LE(clock_.Now() - start, std::chrono::seconds(5));
}

TEST_F(RetryStoreTest, DamageOnTheWayIsReadAgainDamageInTheStoreIsNot) {
  class Damaged final : public DecoratedStore<Damaged> {
   public:
    explicit Damaged(int times) : DecoratedStore(MakeMemoryStore()), times_(times) {}
    Result<std::optional<ReadResult>> Read(const std::string&, const ReadOptions&, const CallContext&) override {
      ++calls;
      if (times_-- > 0) return base::DataLoss("the bytes do not match");
      return std::optional<ReadResult>();
    }
    int calls = 0;

   private:
    int times_;
  };
  EXPECT_TRUE(Over(std::make_shared<Damaged>(2))->Read("k", {}, {}));
  const auto rotten = std::make_shared<Damaged>(1'000);
  const auto read = Over(rotten)->Read("k", {}, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(rotten->calls, 3);
}

TEST_F(RetryStoreTest, OnlyTransientErrorsAreTriedAgain) {
  const auto lost = std::make_shared<LostAnswers>(0);
  ASSERT_TRUE(lost->inner().Write("k", BytesSource("x"), {}, {}));
  EXPECT_FALSE(Over(lost)->Write("k", BytesSource("y"), {.if_generation = kAbsent}, {}));
  EXPECT_FALSE(Over(lost)->Copy("absent", "y", {}, {}));
  EXPECT_EQ(lost->calls, 2);
}

TEST(BackoffTest, GrowsToItsCeiling) {
  Backoff backoff({.initial = std::chrono::milliseconds(100), .longest = std::chrono::seconds(1)}, 1);
  for (int i = 0; i < 50; ++i) EXPECT_LE(backoff.Next(), std::chrono::seconds(1));
  backoff.Reset();
  EXPECT_LE(backoff.Next(), std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace seamount::store
