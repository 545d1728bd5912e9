// The thin decorators: prefix, trace.
#include <gtest/gtest.h>

#include "store/memory/memory_store.h"
#include "store/prefix/prefix_store.h"
#include "store/testing/conformance.h"
#include "store/testing/fault_store.h"
#include "store/trace/trace_store.h"

namespace seamount::store {
namespace {

const std::string kPrefix = "deep/in here/";

std::shared_ptr<Store> Crowded() {
  std::shared_ptr<Store> bucket = MakeMemoryStore();
  for (const char* key : {"a", "deep/in", "deep/in here/", "deep/in hereafter", "z"}) {
    EXPECT_TRUE(bucket->Write(key, BytesSource("not of this store"), {}, {}));
  }
  return bucket;
}

const int kJoined[] = {
    JoinConformance("PrefixStore", [] { return MakePrefixStore(Crowded(), kPrefix); },
                    {.max_key_bytes = 1024 - kPrefix.size()}),
    JoinConformance("TraceStore", [] { return std::make_shared<TraceStore>(MakeMemoryStore()); }),
    JoinConformance("FaultStore", [] { return std::make_shared<FaultStore>(MakeMemoryStore(), FaultOptions{}); })};

TEST(PrefixStoreTest, StaysBelowItsPrefix) {
  EXPECT_GT(kJoined[0], 0);
  const auto bucket = Crowded();
  const auto store = MakePrefixStore(bucket, kPrefix);
  ASSERT_TRUE(store->Write("k", BytesSource("x"), {}, {}));
  EXPECT_TRUE(bucket->Stat("deep/in here/k", {})->has_value());
  const auto page = ListAll(*store, {}, {});
  ASSERT_TRUE(page);
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].key, "k");
}

TEST(TraceStoreTest, CountsCallsBytesAndErrors) {
  TraceStore store(MakeMemoryStore());
  ASSERT_TRUE(store.Write("k", BytesSource("12345"), {}, {}));
  ASSERT_TRUE(store.Read("k", {.range = ByteRange{1, 3}}, {}));
  ASSERT_TRUE(store.Read("absent", {}, {}));
  EXPECT_FALSE(store.Read("k", {.if_generation = Generation("99")}, {}));
  const TraceStats stats = store.Snapshot();
  EXPECT_EQ(stats.of(CallKind::kWrite).calls, 1u);
  EXPECT_EQ(stats.of(CallKind::kWrite).bytes, 5u);
  EXPECT_EQ(stats.of(CallKind::kRead).calls, 3u);
  EXPECT_EQ(stats.of(CallKind::kRead).bytes, 3u);
  EXPECT_EQ(stats.of(CallKind::kRead).errors, 1u);
  EXPECT_EQ(stats.calls(), 4u);
  EXPECT_EQ(stats.errors(), 1u);
  EXPECT_GE(stats.of(CallKind::kRead).total, stats.of(CallKind::kRead).slowest);
}

TEST(FaultStoreTest, FaultsFollowTheSeed) {
  const auto count = [](uint64_t seed) {
    FaultStore store(MakeMemoryStore(), {.seed = seed, .fail_before = 0.5});
    std::string pattern;
    for (int i = 0; i < 40; ++i) pattern += store.Stat("k", {}) ? '.' : 'x';
    return pattern;
  };
  EXPECT_EQ(count(7), count(7));
  EXPECT_NE(count(7), count(8));
}

}  // namespace
}  // namespace seamount::store
