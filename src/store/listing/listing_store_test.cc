#include "store/listing/listing_store.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "store/memory/memory_store.h"
#include "store/testing/conformance.h"
#include "store/trace/trace_store.h"

namespace seamount::store {
namespace {

constexpr auto kTtl = std::chrono::seconds(10);

const int kConformance = JoinConformance("ListingStore", [] {
  return std::make_shared<ListingStore>(MakeMemoryStore(), ListingOptions{.ttl = std::chrono::hours(1)});
});

// Something may happen between a listing's making and its arrival.
class SlowListings final : public DecoratedStore<SlowListings> {
 public:
  explicit SlowListings(std::shared_ptr<Store> inner) : DecoratedStore(std::move(inner)) {}
  Result<ListPage> List(const ListOptions& options, const CallContext& context) override {
    auto page = inner().List(options, context);
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    return page;
  }
  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    auto info = inner().Stat(key, context);
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    return info;
  }
  std::function<void()> meanwhile;
};

class ListingStoreTest : public testing::Test {
 protected:
  void Put(Store& store, const std::string& key) { ASSERT_TRUE(store.Write(key, BytesSource(key), {}, {})); }
  bool Has(const std::string& key) {
    const auto info = store_.Stat(key, {});
    EXPECT_TRUE(info) << info.error().ToString();
    return info && *info;
  }
  void ListFolder(const std::string& folder, int max_results = 1000) {
    ASSERT_TRUE(ListAll(
        store_, {.prefix = folder, .delimiter = "/", .include_trailing_delimiter = true, .max_results = max_results},
        {}));
  }
  uint64_t Asked() const {
    const TraceStats stats = trace_->Snapshot();
    return stats.of(CallKind::kStat).calls + stats.of(CallKind::kList).calls;
  }

  base::FakeClock clock_;
  const std::shared_ptr<Store> others_ = MakeMemoryStore();  // as other clients reach it
  const std::shared_ptr<TraceStore> trace_ = std::make_shared<TraceStore>(others_);
  const std::shared_ptr<SlowListings> slow_ = std::make_shared<SlowListings>(trace_);
  ListingStore store_{slow_, {.ttl = kTtl, .clock = &clock_}};
};

TEST_F(ListingStoreTest, OneListingAnswersForAllNamesInIt) {
  EXPECT_GT(kConformance, 0);
  for (const char* key : {"d/a", "d/b/1", "d/c/", "d/c/x", "e"}) Put(*others_, key);
  for (const int max_results : {1000, 2}) {
    clock_.Advance(2 * kTtl);
    ListFolder("d/", max_results);
    const uint64_t before = Asked();
    EXPECT_TRUE(Has("d/a"));
    EXPECT_TRUE(Has("d/c/"));
    for (const char* key : {"d/", "d/0", "d/a0", "d/b", "d/b/", "d/z", "d/aa/deep/er", "d/n/"}) EXPECT_FALSE(Has(key));
    EXPECT_EQ(store_.KnownFolder("d/b/"), true);
    EXPECT_EQ(store_.KnownFolder("d/n/"), false);
    EXPECT_TRUE(store_.List({.prefix = "d/n/", .delimiter = "/", .max_results = 1}, {})->objects.empty());
    EXPECT_EQ(Asked(), before);
    EXPECT_TRUE(Has("d/b/1"));
    EXPECT_TRUE(Has("e"));
    EXPECT_EQ(Asked(), before + 2) << "of these it said nothing";
    EXPECT_TRUE(Has("d/b/1"));
    EXPECT_EQ(Asked(), before + 2) << "but now they are known";
    clock_.Advance(kTtl);
    EXPECT_FALSE(Has("d/z"));
    EXPECT_EQ(Asked(), before + 3) << "not for ever";
  }
}

TEST_F(ListingStoreTest, PagesAgeByThemselves) {
  for (const char* key : {"a", "b", "c", "d"}) Put(*others_, key);
  ListOptions options{.delimiter = "/", .max_results = 2};
  options.page_token = store_.List(options, {})->next_page_token;
  clock_.Advance(kTtl / 2);
  ASSERT_TRUE(store_.List(options, {}));
  clock_.Advance(kTtl / 2);
  const uint64_t before = Asked();
  EXPECT_TRUE(Has("d"));
  EXPECT_FALSE(Has("e"));
  EXPECT_FALSE(Has("bb"));
  EXPECT_EQ(Asked(), before);
  EXPECT_TRUE(Has("a"));
  EXPECT_EQ(Asked(), before + 1);
}

TEST_F(ListingStoreTest, WhatIsChangedHereIsKnownAtOnce) {
  Put(*others_, "d/a");
  ListFolder("d/");
  ListFolder("");
  Put(store_, "d/new");
  Put(store_, "d/sub/x");
  ASSERT_TRUE(store_.Move("d/a", "d/moved", {}, {}));
  const uint64_t before = Asked();
  EXPECT_TRUE(Has("d/new"));
  EXPECT_TRUE(Has("d/moved"));
  EXPECT_FALSE(Has("d/a"));
  EXPECT_EQ(store_.KnownFolder("d/sub/"), true);
  ASSERT_TRUE(store_.Patch("d/new", {.metadata = {{"m", "1"}}}, {}, {}));
  EXPECT_EQ((*store_.Stat("d/new", {}))->metadata.at("m"), "1");
  ASSERT_TRUE(store_.Delete("d/new", {}, {}));
  EXPECT_FALSE(Has("d/new"));
  EXPECT_EQ(Asked(), before);
  ASSERT_TRUE(store_.Delete("d/sub/x", {}, {}));
  EXPECT_EQ(store_.KnownFolder("d/sub/"), std::nullopt) << "it may have been the last one";
}

TEST_F(ListingStoreTest, AnAnswerOnItsWayBringsNothingBack) {
  for (const bool listing : {true, false}) {
    Put(store_, "d/a");
    Put(store_, "d/sub/x");
    clock_.Advance(kTtl);
    slow_->meanwhile = [&] {
      ASSERT_TRUE(store_.Delete("d/a", {}, {}));
      ASSERT_TRUE(store_.Delete("d/sub/x", {}, {}));
      Put(store_, "d/made");
    };
    if (listing) {
      ListFolder("d/");
      EXPECT_NE(store_.KnownFolder("d/sub/"), true);
    } else {
      ASSERT_TRUE(store_.Stat("d/a", {}));
    }
    EXPECT_FALSE(Has("d/a"));
    EXPECT_TRUE(Has("d/made"));
  }
}

TEST_F(ListingStoreTest, WhatFailedIsNotKnown) {
  Put(*others_, "k");
  EXPECT_TRUE(Has("k"));
  const auto info = *others_->Stat("k", {});
  Put(*others_, "k");
  EXPECT_FALSE(store_.Write("k", BytesSource("x"), {.if_generation = info->generation}, {}));
  EXPECT_NE((*store_.Stat("k", {}))->generation, info->generation);
  ASSERT_TRUE(others_->Delete("k", {}, {}));
  EXPECT_FALSE(*store_.Read("k", {}, {}));
  EXPECT_FALSE(Has("k"));
}

TEST_F(ListingStoreTest, IsBounded) {
  KnownNames known(kTtl, 20'000);
  for (int i = 0; i < 1000; ++i) {
    known.Set("d" + std::to_string(i) + "/k", ObjectInfo{.key = "d" + std::to_string(i) + "/k"}, clock_.Now());
    EXPECT_LE(known.bytes(), 20'000u);
  }
  EXPECT_TRUE(known.Object("d999/k", clock_.Now()).has_value());
  EXPECT_FALSE(known.Object("d0/k", clock_.Now()).has_value());
  known.Set("d0/k", std::nullopt, clock_.Now() + 2 * kTtl);
  EXPECT_LT(known.bytes(), 2'000u) << "what is too old goes";
}

// Others change the bucket, this store too, and time passes: whatever is answered was true within the ttl, and what
// this store has done is never forgotten.
TEST_F(ListingStoreTest, NoAnswerIsOlderThanTheTtl) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::string> keys = {"a", "a/", "a/b", "a/b/c", "a/b/d", "a//e", "b/c", "b/c/d/e", "b!", "z"};
  const std::vector<std::string> folders = {"", "a/", "a/b/", "b/", "b/c/", "a//", "no/"};
  std::map<std::string, std::vector<std::pair<base::SteadyTime, std::string>>> history;  // generation, empty: absent
  for (const std::string& key : keys) history[key].emplace_back(clock_.Now(), "");
  uint64_t looks = 0;
  std::map<std::string, base::SteadyTime> own;  // when this store changed it last
  const auto change = [&](Store& store, const std::string& key) {
    if (random() % 2 == 0) {
      ASSERT_TRUE(store.Delete(key, {}, {}));
    } else {
      Put(store, key);
    }
    const auto now = *others_->Stat(key, {});
    history[key].emplace_back(clock_.Now(), now ? now->generation.text() : "");
  };
  for (int i = 0; i < 20'000 && !HasFailure(); ++i) {
    clock_.Advance(std::chrono::milliseconds(random() % 2000));
    const std::string& key = keys[random() % keys.size()];
    switch (random() % 6) {
      case 0: change(*others_, key); break;
      case 1:
        change(store_, key);
        own[key] = clock_.Now();
        break;
      case 2:
      case 3: {
        ListOptions options{.prefix = folders[random() % folders.size()],
                            .delimiter = "/",
                            .include_trailing_delimiter = random() % 2 == 0,
                            .max_results = 1 + static_cast<int>(random() % 4)};
        if (random() % 4 == 0) options.start_offset = keys[random() % keys.size()];
        if (random() % 4 == 0) options.end_offset = keys[random() % keys.size()];
        ASSERT_TRUE(ListAll(store_, options, {}));
        break;
      }
      default: {
        const auto info = store_.Stat(key, {});
        ++looks;
        ASSERT_TRUE(info);
        const std::string seen = *info ? (*info)->generation.text() : "";
        const auto oldest = std::max(clock_.Now() - kTtl, own.contains(key) ? own[key] : base::SteadyTime::min());
        bool was_true = false;
        const auto& states = history[key];
        for (size_t s = 0; s < states.size(); ++s) {
          const auto until = s + 1 < states.size() ? states[s + 1].first : base::SteadyTime::max();
          was_true = was_true || (states[s].second == seen && until >= oldest);
        }
        EXPECT_TRUE(was_true) << "'" << key << "' is said to be " << (seen.empty() ? "absent" : seen) << " (call " << i
                              << ")";
      }
    }
  }
  EXPECT_LT(trace_->Snapshot().of(CallKind::kStat).calls, looks) << "nothing was answered from what is known";
}

TEST_F(ListingStoreTest, ThreadsAgreeInTheEnd) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      for (int i = 0; i < 500; ++i) {
        const std::string key = "d/" + std::to_string(random() % 8);
        if (random() % 3 == 0) (void)store_.Delete(key, {}, {});
        if (random() % 3 == 0) (void)store_.Write(key, BytesSource("x"), {}, {});
        if (random() % 3 == 0) (void)store_.List({.prefix = "d/", .delimiter = "/", .max_results = 3}, {});
        (void)store_.Stat(key, {});
      }
    });
  }
  threads.clear();
  for (int k = 0; k < 8; ++k) {
    const std::string key = "d/" + std::to_string(k);
    EXPECT_EQ(Has(key), others_->Stat(key, {})->has_value()) << key;
  }
}

}  // namespace
}  // namespace seamount::store
