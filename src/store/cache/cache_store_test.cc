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
  EXPECT_EQ(Fetched(), 40'000u);
  read(40'000, 80'000);
  EXPECT_EQ(Requests(), 3u);
  // A small gap comes along with what is behind it, or before.
  read(100'000, 100'010);
  read(20'000, 30'000);
  EXPECT_EQ(Fetched(), 80'010u);
  read(20'000, 100'010);
  EXPECT_EQ(Requests(), 5u);
  // A large one does not.
  read(500'000, 500'010);
  EXPECT_EQ(Fetched(), 80'020u);
  EXPECT_EQ(Blocks().size(), 1u);
}

// However often parts of a block are added, its file has few, and nothing is lost.
TEST_F(CacheStoreTest, PartsAreAddedToABlocksFileUntilTheyBecomeOne) {
  const std::string content = Pattern(kMiB, 22);
  const Generation generation = Put("k", content);
  constexpr uint64_t kPart = 5000;
  uint64_t largest = 0;
  for (uint64_t begin = 0; begin + kPart <= 40 * kPart; begin += kPart) {
    EXPECT_EQ(Read("k", {.range = ByteRange{begin, kPart}, .if_generation = generation}), content.substr(begin, kPart));
    cache_->Flush();
    ASSERT_EQ(Blocks().size(), 1u);
    largest = std::max(largest, fs::file_size(Blocks().at(0)) - begin);
  }
  EXPECT_LE(largest, kMostParts * (kBlockHeaderBytes + 8192));
  EXPECT_EQ(Requests(), 40u);
  Reopen();
  EXPECT_EQ(Read("k", {.range = ByteRange{7, 40 * kPart - 7}, .if_generation = generation}),
            content.substr(7, 40 * kPart - 7));
  EXPECT_EQ(Requests(), 40u);
  EXPECT_EQ(cache_->Stats().damaged, 0u);
}

// What a writer leaves that is killed between two parts, or in the middle of one.
TEST_F(CacheStoreTest, APartThatIsNotWholeIsNotThere) {
  const std::string content = Pattern(kMiB, 23);
  const Generation generation = Put("k", content);
  const auto read = [&](uint64_t begin) {
    const ReadOptions options{.range = ByteRange{begin, 100'000}, .if_generation = generation};
    ASSERT_TRUE(Read("k", options) == content.substr(begin, 100'000)) << begin;
    cache_->Flush();
  };
  read(0);
  read(300'000);
  const uint64_t whole = fs::file_size(Blocks().at(0));
  const uint64_t first = whole / 2;
  for (const uint64_t left : {first, first + 1, first + kBlockHeaderBytes, first + kBlockHeaderBytes + 50'000}) {
    Reopen();
    fs::resize_file(Blocks().at(0), left);
    uint64_t before = Requests();
    read(0);
    EXPECT_EQ(Requests(), before) << "the first part is still there";
    read(300'000);
    EXPECT_EQ(Requests(), before + 1);
    read(600'000);
    Reopen();
    before = Requests();
    read(0);
    read(300'000);
    read(600'000);
    EXPECT_EQ(Requests(), before) << "what was added after it lies in the file";
    EXPECT_EQ(cache_->Stats().damaged, 0u);
    EXPECT_EQ(Blocks().size(), 1u);
    fs::remove(Blocks().at(0));
    Reopen();
    read(0);
    read(300'000);
    ASSERT_EQ(fs::file_size(Blocks().at(0)), whole);
  }
}

TEST_F(CacheStoreTest, TwoCachesAddToOneBlock) {
  const std::string content = Pattern(kMiB, 24);
  const Generation generation = Put("k", content);
  const auto other_cache = Open(directory());
  const auto other = MakeCacheStore(inner_, other_cache, "bucket");
  for (uint64_t i = 0; i < 8; ++i) {
    const ReadOptions options{.range = ByteRange{i * 131'072, 1000}, .if_generation = generation};
    const auto read = (i % 2 == 0 ? *store_ : *other).Read("k", options, {});
    ASSERT_TRUE(read && *read && (*read)->data.view() == content.substr(i * 131'072, 1000));
    cache_->Flush();
    other_cache->Flush();
    EXPECT_EQ(Requests(), i + 1);
    for (uint64_t known = 0; known <= i; ++known) {
      EXPECT_EQ(Read("k", {.range = ByteRange{known * 131'072, 1000}, .if_generation = generation}),
                content.substr(known * 131'072, 1000));
    }
    EXPECT_EQ(Requests(), i + 1) << "what either added the other reads";
  }
  EXPECT_EQ(Blocks().size(), 1u);
}

// Older versions ended a file with the last byte of the object.
TEST_F(CacheStoreTest, ABlockThatEndsWithinAPageIsServed) {
  const std::string content = Pattern(kMiB + 77, 25);
  const Generation generation = Put("k", content);
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  cache_->Flush();
  for (const auto& block : Blocks()) {
    if (fs::file_size(block) < kMiB) fs::resize_file(block, kBlockHeaderBytes + 77);
  }
  Reopen();
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  EXPECT_EQ(Requests(), 1u);
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
      for (uint64_t i = 0;; ++i) {
        const ByteRange part{i * 777'777 % content.size(), 1 + i * 12'345 % 200'000};
        (void)store->Read("k", {.range = part, .if_generation = generation}, {});
        if (i % 20 == 19) (void)store->Read("k", {.if_generation = generation}, {});
      }
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

std::string Text(const std::vector<PlannedSpan>& plan) {
  std::string text;
  for (const auto& [span, cached] : plan) {
    text += (cached ? "have " : "get ") + std::to_string(span.begin) + "-" + std::to_string(span.end) + "; ";
  }
  return text;
}

TEST(CachePlanTest, SmallGapsComeAlong) {
  constexpr uint64_t kUnit = kJoinedBytes;
  const std::vector<ByteSpan> parts = {{1000, 2000}, {kUnit - 10, kUnit + 10}, {3 * kUnit, 4 * kUnit}};
  const auto plan = [&](uint64_t begin, uint64_t end) { return Text(PlanBlock(parts, {begin, end})); };
  EXPECT_EQ(Text(PlanBlock({}, {5, 10})), "get 5-10; ");
  EXPECT_EQ(plan(1200, 1300), "have 1200-1300; ");
  EXPECT_EQ(plan(2000, 3000), "get 2000-131062; ") << "to the part behind it";
  EXPECT_EQ(plan(1500, 2500), "have 1500-2000; get 2000-131062; ");
  EXPECT_EQ(plan(10, 20), "get 10-1000; ");
  EXPECT_EQ(plan(kUnit + 500, kUnit + 600), "get 131082-131672; ") << "from the part before it";
  EXPECT_EQ(plan(2 * kUnit + 5, 2 * kUnit + 6), "get 262149-262150; ") << "both are far";
  EXPECT_EQ(plan(0, 5 * kUnit),
            "get 0-1000; have 1000-2000; get 2000-131062; have 131062-131082; get 131082-393216; "
            "have 393216-524288; get 524288-655360; ");
}

TEST(CachePlanTest, APlanCoversWhatIsWantedInOrder) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<ByteSpan> parts(random() % 8);
    for (ByteSpan& part : parts) part.end = (part.begin = random() % kMiB) + random() % 100'000;
    parts = Normalized(std::move(parts));
    const uint64_t begin = random() % kMiB;
    const ByteSpan wanted{begin, begin + 1 + random() % 300'000};
    const auto is_cached = [&](const ByteSpan& span) {
      return std::any_of(parts.begin(), parts.end(),
                         [&](const ByteSpan& part) { return part.begin <= span.begin && span.end <= part.end; });
    };
    const auto plan = PlanBlock(parts, wanted);
    ASSERT_LE(plan.front().span.begin, wanted.begin);
    ASSERT_GE(plan.back().span.end, wanted.end);
    for (size_t i = 0; i < plan.size(); ++i) {
      ASSERT_GT(plan[i].span.size(), 0u);
      ASSERT_EQ(plan[i].cached, is_cached(plan[i].span)) << Text(plan);
      if (i > 0) {
        ASSERT_EQ(plan[i].span.begin, plan[i - 1].span.end) << Text(plan);
      }
    }
    ASSERT_LT(wanted.begin - plan.front().span.begin + plan.back().span.end - wanted.end, 2 * kJoinedBytes);
  }
}

}  // namespace
}  // namespace seamount::store
