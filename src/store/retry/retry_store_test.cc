#include "store/retry/retry_store.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/result.h"
#include "store/decorated_store.h"
#include "store/memory/memory_store.h"
#include "store/testing/conformance.h"
#include "store/testing/fault_store.h"

namespace seamount::store {
namespace {

template <class T>
std::string CodeOf(const Result<T>& result) {
  return result ? "ok" : std::string(base::ErrorCodeName(result.error().code()));
}

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

// Fails the next calls, without any effect, as it is told; each time something may happen meanwhile.
class Refusing final : public DecoratedStore<Refusing> {
 public:
  explicit Refusing(base::ErrorDetail detail, std::function<bool()> fails)
      : DecoratedStore(MakeMemoryStore()), detail_(detail), fails_(std::move(fails)) {}
  template <class T, class Call>
  Result<T> Around(const StoreCall&, const Call& call) {
    if (fails_()) return Error(ErrorCode::kUnavailable, "no", detail_);
    return call();
  }
  using DecoratedStore::inner;

 private:
  const base::ErrorDetail detail_;
  const std::function<bool()> fails_;
};

// Both make the same empty lock file; one is refused at first, the other comes between.
TEST_F(RetryStoreTest, AnothersEqualObjectIsNotTakenForItsOwn) {
  std::shared_ptr<Refusing> refusing;
  int fail = 1;
  refusing = std::make_shared<Refusing>(base::ErrorDetail::kNone, [&] {
    if (fail-- <= 0) return false;
    EXPECT_TRUE(MakeRetryStore(std::shared_ptr<Store>(refusing, &refusing->inner()))
                    ->Write("lock", BytesSource(""), {.if_generation = kAbsent}, {}));
    return true;
  });
  const auto store = Over(refusing);
  EXPECT_EQ(CodeOf(store->Write("lock", BytesSource(""), {.if_generation = kAbsent}, {})), "PreconditionFailed");
  fail = 1;
  ASSERT_TRUE(refusing->inner().Delete("lock", {}, {}));
  ASSERT_TRUE(refusing->inner().Write("from", BytesSource(""), {}, {}));
  fail = 0;
  EXPECT_EQ(CodeOf(store->Copy("from", "lock", {.if_generation = kAbsent}, {})), "ok");
}

TEST_F(RetryStoreTest, TheNonceIsNotShown) {
  const auto lost = std::make_shared<LostAnswers>(0);
  const auto store = Over(lost);
  const std::map<std::string, std::string> metadata = {{"a", "1"}};
  const auto made = store->Write("k", BytesSource("x"), {.if_generation = kAbsent, .metadata = metadata}, {});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->metadata, metadata);
  EXPECT_EQ((*store->Stat("k", {}))->metadata, metadata);
  EXPECT_EQ((*store->Read("k", {}, {}))->info.metadata, metadata);
  EXPECT_EQ(store->List({}, {})->objects.at(0).metadata, metadata);
  EXPECT_TRUE((*lost->inner().Stat("k", {}))->metadata.contains(std::string(kNonceKey)));
}

TEST_F(RetryStoreTest, ADeleteThatWasRefusedIsNobodysWhenAnotherDeletes) {
  for (const auto detail : {base::ErrorDetail::kNothingDone, base::ErrorDetail::kNone}) {
    std::shared_ptr<Refusing> refusing;
    int fail = 1;
    refusing = std::make_shared<Refusing>(detail, [&] {
      if (fail-- <= 0) return false;
      EXPECT_TRUE(refusing->inner().Delete("k", {}, {}));
      return true;
    });
    ASSERT_TRUE(refusing->inner().Write("k", BytesSource("x"), {}, {}));
    const auto deleted = Over(refusing)->Delete("k", {}, {});
    ASSERT_TRUE(deleted);
    EXPECT_EQ(*deleted, detail == base::ErrorDetail::kNone) << "in doubt it may have been this one";
  }
}

TEST_F(RetryStoreTest, AServerThatComesBackInTimeIsMet) {
  for (int round = 0; round < 100; ++round) {
    const auto back = clock_.Now() + std::chrono::milliseconds(200 * round - 1);
    const auto away =
        std::make_shared<Refusing>(base::ErrorDetail::kNeverConnected, [&] { return clock_.Now() < back; });
    const RetryOptions options{
        .budget = std::chrono::seconds(20), .first_contact = std::chrono::seconds(20), .clock = &clock_};
    const auto read = MakeRetryStore(away, options)->Read("k", {}, {});
    EXPECT_TRUE(read) << "away for " << 200 * round << " ms: " << read.error().ToString();
  }
}

TEST_F(RetryStoreTest, WhereNobodyEverAnsweredThatIsSaidSoon) {
  bool away = true;
  const auto store = Over(std::make_shared<Refusing>(base::ErrorDetail::kNeverConnected, [&] { return away; }));
  auto start = clock_.Now();
  const auto first = store->Stat("k", {});
  ASSERT_FALSE(first);
  EXPECT_LE(clock_.Now() - start, std::chrono::seconds(3));
  EXPECT_NE(first.error().message().find("is the address right"), std::string::npos) << first.error().message();
  away = false;
  ASSERT_TRUE(store->Stat("k", {}));
  away = true;
  start = clock_.Now();
  EXPECT_FALSE(store->Stat("k", {}));
  EXPECT_EQ(clock_.Now() - start, std::chrono::seconds(60)) << "one that has worked is waited for";
}

TEST_F(RetryStoreTest, AMoveWhoseAnswerWasLostIsDecidedByLooking) {
  const auto lost = std::make_shared<LostAnswers>(1);
  ASSERT_TRUE(lost->inner().Write("task", BytesSource("x"), {}, {}));
  const auto moved = Over(lost)->Move("task", "mine", {.if_generation = kAbsent}, {});
  ASSERT_TRUE(moved) << moved.error().ToString();
  EXPECT_EQ(moved->key, "mine");

  std::shared_ptr<Refusing> refusing;
  int fail = 0;
  refusing = std::make_shared<Refusing>(base::ErrorDetail::kNone, [&] {
    if (fail-- != 0) return false;
    EXPECT_TRUE(refusing->inner().Move("task", "theirs", {}, {}));
    return true;
  });
  const auto source = refusing->inner().Write("task", BytesSource("x"), {}, {});
  EXPECT_EQ(CodeOf(Over(refusing)->Move("task", "mine", {.source = *source}, {})), "NotFound");
}

TEST(BackoffTest, GrowsToItsCeiling) {
  Backoff backoff({.initial = std::chrono::milliseconds(100), .longest = std::chrono::seconds(1)}, 1);
  for (int i = 0; i < 50; ++i) EXPECT_LE(backoff.Next(), std::chrono::seconds(1));
  backoff.Reset();
  EXPECT_LE(backoff.Next(), std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace seamount::store
