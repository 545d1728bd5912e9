#include "store/cache/cache_store.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <latch>
#include <random>
#include <thread>

#include "store/cache/block_cache.h"
#include "store/cache/cache_plan.h"
#include "store/decorated_store.h"
#include "store/memory/memory_store.h"
#include "store/testing/cache_fixture.h"
#include "store/testing/conformance.h"
#include "store/testing/fault_store.h"
#include "store/trace/trace_store.h"

namespace seamount::store {
namespace {

std::shared_ptr<Store> Fresh(std::shared_ptr<Store> inner, uint64_t limit_bytes) {
  struct Both {
    TemporaryFolder folder;
    std::shared_ptr<Store> store;
  };
  auto both = std::make_shared<Both>();
  both->store = MakeCacheStore(std::move(inner), Open(both->folder.path() + "/cache", limit_bytes), "bucket");
  return {both, both->store.get()};
}

const int kJoined[] = {JoinConformance("CacheStore", [] { return Fresh(MakeMemoryStore(), 256 * kMiB); },
                                       {.serves_old_generations = true}),
                       // So small that it evicts all the time.
                       JoinConformance("CacheStoreEvicting", [] { return Fresh(MakeMemoryStore(), 2 * kMiB); },
                                       {.serves_old_generations = true})};

TEST_F(CacheStoreTest, ASecondReadAsksNobodyAlsoAfterARestart) {
  EXPECT_GT(kJoined[0], 0);
  const std::string content = Pattern(5 * kMiB + 77, 1);
  const Generation generation = Put("k", content);
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  EXPECT_EQ(Requests(), 1u);
  cache_->Flush();
  const ReadOptions part{.range = ByteRange{kMiB - 5, 2 * kMiB}, .if_generation = generation};
  EXPECT_EQ(Read("k", part), content.substr(kMiB - 5, 2 * kMiB));
  Reopen();
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  EXPECT_EQ(Read("k", part), content.substr(kMiB - 5, 2 * kMiB));
  EXPECT_EQ(Requests(), 1u);
  EXPECT_EQ(cache_->Stats().hit_bytes, content.size() + 2 * kMiB);
}

TEST_F(CacheStoreTest, WithoutAGenerationOneLookUpReplacesTheBytes) {
  const std::string content = Pattern(3 * kMiB, 2);
  Put("k", content);
  EXPECT_EQ(Read("k", {}), content);
  EXPECT_EQ(inner_->Snapshot().of(CallKind::kStat).calls, 0u) << "a cold read is one request";
  cache_->Flush();
  EXPECT_EQ(Read("k", {}), content);
  EXPECT_EQ(Requests(), 1u);
  EXPECT_EQ(inner_->Snapshot().of(CallKind::kStat).calls, 1u);
  Put("k", "replaced");
  EXPECT_EQ(Read("k", {}), "replaced");
}

TEST_F(CacheStoreTest, RandomReadsFetchLittleMoreThanTheyAsk) {
  const std::string content = Pattern(8 * kMiB, 3);
  const Generation generation = Put("k", content);
  constexpr uint64_t kBegin = 3 * kMiB + 200'000;
  const ReadOptions random{.range = ByteRange{kBegin, 256 * 1024}, .if_generation = generation};
  EXPECT_EQ(Read("k", random), content.substr(kBegin, 256 * 1024));
  EXPECT_EQ(Fetched(), 256u * 1024) << "the first time, exactly what was asked";
  cache_->Flush();
  EXPECT_EQ(Read("k", random), content.substr(kBegin, 256 * 1024));
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(CacheStoreTest, PartsOfABlockThatTouchBecomeOne) {
  const std::string content = Pattern(kMiB, 9);
  const Generation generation = Put("k", content);
  const auto read = [&](uint64_t begin, uint64_t end) {
    const ReadOptions options{.range = ByteRange{begin, end - begin}, .if_generation = generation};
    ASSERT_TRUE(Read("k", options) == content.substr(begin, end - begin)) << begin << "-" << end;
    cache_->Flush();
  };
  read(50'000, 60'000);
  read(60'000, 80'000);
  read(40'000, 55'000);
  EXPECT_EQ(Fetched(), 45'000u);
  read(40'000, 80'000);
  EXPECT_EQ(Requests(), 3u);
  // Nothing joins these two: from now on the block is cached whole.
  read(100'000, 100'010);
  EXPECT_EQ(Fetched(), 45'000u + kSmallBlockBytes);
  read(1, kSmallBlockBytes);
  EXPECT_EQ(Requests(), 4u);
  EXPECT_EQ(Blocks().size(), 1u);
}

TEST_F(CacheStoreTest, ASuffixReadTwiceIsAskedForOnce) {
  const std::string content = Pattern(5 * kMiB + 77, 21);
  const Generation generation = Put("k", content);
  const ReadOptions pinned{.range = ByteRange::Last(70'000), .if_generation = generation};
  const ReadOptions any{.range = ByteRange::Last(70'000)};
  const std::string tail = content.substr(content.size() - 70'000);
  EXPECT_EQ(Read("k", pinned), tail);
  EXPECT_EQ(Requests(), 1u);
  cache_->Flush();
  EXPECT_EQ(Read("k", pinned), tail);
  Reopen();
  EXPECT_EQ(Read("k", pinned), tail);
  EXPECT_EQ(Read("k", any), tail);
  EXPECT_EQ(Requests(), 1u);
  EXPECT_EQ(inner_->Snapshot().of(CallKind::kStat).calls, 1u) << "whether the object is still that";
  // What says how large the object is does not make other reads fetch more.
  const uint64_t before = Fetched();
  EXPECT_EQ(Read("k", {.range = ByteRange{1000, 500}, .if_generation = generation}), content.substr(1000, 500));
  EXPECT_EQ(Fetched(), before + 500);
  Put("k", "short");
  EXPECT_EQ(Read("k", any), "short");
}

// Reads of all sizes at all places, through a cache that is reopened now and then: every byte right, and what was read
// once not fetched again while there is room.
TEST_F(CacheStoreTest, RandomReadsMatchTheObject) {
  const std::string content = Pattern(3 * kMiB + 12'345, 10);
  const Generation generation = Put("k", content);
  const uint64_t seed = TestSeed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 400; ++i) {
    const uint64_t begin = random() % content.size();
    const uint64_t length = 1 + random() % (i % 10 == 0 ? 2 * kMiB : 150'000);
    const ReadOptions options{.range = ByteRange{begin, length}, .if_generation = generation};
    ASSERT_TRUE(Read("k", options) == content.substr(begin, length)) << begin << "+" << length;
    if (i % 7 == 0) cache_->Flush();
    if (i % 50 == 49) {
      Reopen();
      const uint64_t before = Requests();
      ASSERT_TRUE(Read("k", options) == content.substr(begin, length));
      EXPECT_EQ(Requests(), before) << begin << "+" << length;
    }
  }
}

TEST_F(CacheStoreTest, DamageIsNoticedAndFetchedAnew) {
  const std::string content = Pattern(2 * kMiB, 4);
  const Generation generation = Put("k", content);
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  cache_->Flush();
  const auto blocks = Blocks();
  ASSERT_EQ(blocks.size(), 2u);
  {
    std::fstream payload(blocks[0], std::ios::in | std::ios::out | std::ios::binary);
    payload.seekp(kBlockHeaderBytes + 300'000);
    payload.put('!');
    payload.put('!');
  }
  fs::resize_file(blocks[1], 100'000);
  // Each by itself: what follows a missing block in one read is fetched with it, without a look at the disk, and
  // which of the two comes first in the folder is the file system's affair.
  for (const uint64_t offset : {uint64_t{0}, kMiB}) {
    const ReadOptions part{.range = ByteRange{offset, kMiB}, .if_generation = generation};
    EXPECT_EQ(Read("k", part), content.substr(offset, kMiB));
  }
  EXPECT_EQ(cache_->Stats().damaged, 2u);
  cache_->Flush();
  const uint64_t requests = Requests();
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  EXPECT_EQ(Requests(), requests);
}

TEST_F(CacheStoreTest, BlocksOfAnotherVersionAreReplaced) {
  const std::string content = Pattern(2 * kMiB, 11);
  const Generation generation = Put("k", content);
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  cache_->Flush();
  for (const auto& block : Blocks())
    std::ofstream(block, std::ios::in | std::ios::out | std::ios::binary) << "SEABLK99";
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  cache_->Flush();
  Reopen();
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  EXPECT_EQ(Requests(), 2u);
}

TEST_F(CacheStoreTest, FaultsBelowNeverGiveWrongBytes) {
  const std::string content = Pattern(4 * kMiB + 999, 6);
  const Generation generation = Put("k", content);
  const uint64_t seed = TestSeed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  const auto faulty =
      std::make_shared<FaultStore>(memory_, FaultOptions{.seed = seed, .fail_before = 0.2, .short_read = 0.2});
  const auto store = MakeCacheStore(faulty, cache_, "bucket");
  std::mt19937_64 random(seed);
  int served = 0;
  for (int i = 0; i < 300; ++i) {
    const uint64_t offset = random() % (content.size() + 1000);
    const uint64_t length = 1 + random() % (i % 3 == 0 ? 2 * kMiB : 300'000);
    ReadOptions options{.range = ByteRange{offset, length}};
    if (random() % 2 == 0) options.if_generation = generation;
    const auto read = store->Read("k", options, {});
    if (!read) {
      EXPECT_EQ(read.error().code(), ErrorCode::kUnavailable) << read.error().ToString();
      continue;
    }
    ++served;
    const std::string expected = offset < content.size() ? content.substr(offset, length) : "";
    ASSERT_TRUE((*read)->data.view() == expected) << offset << "+" << length;
    EXPECT_EQ((*read)->info.size_bytes, content.size());
  }
  EXPECT_GT(served, 100);
}

// Ranges come without a checksum; a whole object that is put together from them has one.
TEST_F(CacheStoreTest, AWholeObjectIsCheckedHoweverItCame) {
  const std::string content = Pattern(3 * kMiB, 14);
  const Generation generation = Put("k", content);
  const auto flipping = std::make_shared<FaultStore>(memory_, FaultOptions{.seed = 1, .bit_flip = 1});
  const auto store = MakeCacheStore(flipping, cache_, "bucket");
  const ReadOptions part{.range = ByteRange{kMiB, kMiB}, .if_generation = generation};
  ASSERT_TRUE(store->Read("k", part, {})) << "nothing tells here";
  cache_->Flush();
  const auto whole = store->Read("k", {.range = ByteRange{0, 3 * kMiB}, .if_generation = generation}, {});
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(Read("k", {.if_generation = generation}), content) << "and nothing wrong is kept";
  // Where the whole can be had, it is.
  cache_->Flush();
  std::filesystem::remove_all(directory() + "/blocks");
  Reopen();
  const auto once =
      MakeCacheStore(std::make_shared<FaultStore>(memory_, FaultOptions{.seed = 1, .bit_flip = 1}), cache_, "bucket");
  ASSERT_TRUE(once->Read("k", part, {}));
  cache_->Flush();
  EXPECT_EQ(Read("k", {.range = ByteRange{0, 3 * kMiB}, .if_generation = generation}), content);
}

// A store whose answers take long enough for all who ask at once to have asked.
class Leisurely final : public DecoratedStore<Leisurely> {
 public:
  explicit Leisurely(std::shared_ptr<Store> inner) : DecoratedStore(std::move(inner)) {}
  template <class T, class Call>
  Result<T> Around(const StoreCall&, const Call& call) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return call();
  }
};

TEST_F(CacheStoreTest, ReadersOfOneBlockShareARequest) {
  const std::string content = Pattern(kMiB, 7);
  const Generation generation = Put("k", content);
  store_ = MakeCacheStore(std::make_shared<Leisurely>(inner_), cache_, "bucket");
  constexpr int kReaders = 8;
  std::vector<std::jthread> readers;
  std::latch start(kReaders);
  for (int t = 0; t < kReaders; ++t) {
    readers.emplace_back([&] {
      start.arrive_and_wait();
      EXPECT_EQ(Read("k", {.if_generation = generation}), content);
    });
  }
  readers.clear();
  // Whoever did not share the request found its block in the queue or on disk.
  EXPECT_EQ(Requests(), 1u);
}

// A process that fills the cache is killed at random moments, while this one reads: every byte served is right.
TEST_F(CacheStoreTest, KilledWritersLeaveNoWrongBlock) {
  const std::string content = Pattern(6 * kMiB, 8);
  const Generation generation = Put("k", content);
  const uint64_t seed = TestSeed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 5; ++round) {
    store_.reset();
    cache_.reset();  // and its thread: only a process of one thread can fork and go on
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // should this test end before it kills
      const auto cache = OpenBlockCache({.directory = directory(), .limit_bytes = 4 * kMiB});
      const auto store = MakeCacheStore(memory_, *cache, "bucket");
      for (;;) (void)store->Read("k", {.if_generation = generation}, {});
    }
    Reopen(4 * kMiB);
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 30));
    for (int i = 0; i < 20; ++i) {
      const uint64_t offset = random() % content.size();
      const ReadOptions options{.range = ByteRange{offset, 1 + random() % kMiB}, .if_generation = generation};
      ASSERT_TRUE(Read("k", options) == content.substr(offset, *options.range->length));
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(Read("k", {.if_generation = generation}) == content);
  }
}

TEST(CachePlanTest, LargeBlocksWhereAllOfThemIsAskedFor) {
  using Pieces = std::vector<CachePiece>;
  constexpr uint32_t kLarge = kLargeBlockBytes;
  constexpr uint32_t kSmall = kSmallBlockBytes;
  EXPECT_EQ(PlanPieces(0, 4 * kMiB, 10 * kMiB), (Pieces{{kLarge, 0}, {kLarge, 1}, {kLarge, 2}, {kLarge, 3}}));
  EXPECT_EQ(PlanPieces(kMiB, kMiB + 1, 10 * kMiB), (Pieces{{kSmall, 8}}));
  EXPECT_EQ(PlanPieces(kMiB - 1, kMiB + 1, std::nullopt), (Pieces{{kSmall, 7}, {kSmall, 8}}));
  EXPECT_EQ(PlanPieces(0, kMiB / 4, std::nullopt), (Pieces{{kSmall, 0}, {kSmall, 1}}));
  EXPECT_EQ(PlanPieces(0, 150, 150), (Pieces{{kLarge, 0}})) << "all of a small object";
  EXPECT_EQ(PlanPieces(0, 100, 150), (Pieces{{kSmall, 0}}));
  EXPECT_EQ(PlanPieces(3 * kMiB, 3 * kMiB + 15, 3 * kMiB + 15), (Pieces{{kLarge, 3}}));
  EXPECT_EQ(PlanPieces(kMiB - kSmall, 2 * kMiB + 1, 8 * kMiB), (Pieces{{kSmall, 7}, {kLarge, 1}, {kSmall, 16}}));
}

}  // namespace
}  // namespace seamount::store
