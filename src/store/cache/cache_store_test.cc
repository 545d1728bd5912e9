#include "store/cache/cache_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

#include "base/log.h"
#include "store/cache/block_cache.h"
#include "store/cache/cache_plan.h"
#include "store/decorated_store.h"
#include "store/memory/memory_store.h"
#include "store/testing/conformance.h"
#include "store/testing/fault_store.h"
#include "store/testing/temporary_folder.h"
#include "store/trace/trace_store.h"

namespace seamount::store {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = 1 << 20;

std::shared_ptr<BlockCache> Open(const std::string& directory, uint64_t limit_bytes = 256 * kMiB) {
  auto cache = OpenBlockCache({.directory = directory, .limit_bytes = limit_bytes});
  EXPECT_TRUE(cache) << cache.error().ToString();
  return *std::move(cache);
}

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

std::string Pattern(size_t size, uint64_t seed) {
  std::string text(size, '\0');
  std::mt19937_64 random(seed);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    std::memcpy(text.data() + i, &word, 8);
  }
  return text;
}

class CacheStoreTest : public testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen(uint64_t limit_bytes = 256 * kMiB) {
    store_.reset();
    cache_.reset();
    cache_ = Open(directory(), limit_bytes);
    store_ = MakeCacheStore(inner_, cache_, "bucket");
  }
  std::string directory() const { return folder_.path() + "/cache"; }
  Generation Put(const std::string& key, std::string_view content) {
    auto info = memory_->Write(key, BytesSource(content), {}, {});
    EXPECT_TRUE(info);
    return info->generation;
  }
  std::string Read(const std::string& key, const ReadOptions& options) {
    const auto read = store_->Read(key, options, {});
    EXPECT_TRUE(read) << read.error().ToString();
    return read && *read ? std::string((*read)->data.view()) : "<absent>";
  }
  uint64_t Fetched() const { return inner_->Snapshot().of(CallKind::kRead).bytes; }
  uint64_t Requests() const { return inner_->Snapshot().of(CallKind::kRead).calls; }
  std::vector<fs::path> Blocks() const {
    std::vector<fs::path> blocks;
    for (const auto& entry : fs::recursive_directory_iterator(directory() + "/blocks")) {
      if (entry.is_regular_file()) blocks.push_back(entry.path());
    }
    return blocks;
  }

  TemporaryFolder folder_;
  const std::shared_ptr<Store> memory_ = MakeMemoryStore();
  const std::shared_ptr<TraceStore> inner_ = std::make_shared<TraceStore>(memory_);
  std::shared_ptr<BlockCache> cache_;
  std::shared_ptr<Store> store_;
};

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

TEST_F(CacheStoreTest, AWrongCountOfWhatIsUsedIsSetRight) {
  constexpr uint64_t kLimit = 6 * kMiB;
  Reopen(kLimit);
  const std::string usage = directory() + "/usage";
  const auto fill = [&](int key) {
    const Generation generation = Put(std::to_string(key), Pattern(kMiB, static_cast<uint64_t>(key)));
    (void)Read(std::to_string(key), {.if_generation = generation});
    cache_->Flush();
  };
  int key = 0;
  while (key < 5) fill(key++);
  for (const std::string& wrong : {std::string(), std::string("?"), std::string(8, '\0'), std::string(8, '\x7F')}) {
    std::ofstream(usage, std::ios::binary) << wrong;
    Reopen(kLimit);
    for (int i = 0; i < 4; ++i) fill(key++);
    uint64_t used = 0;
    for (const auto& block : Blocks()) used += fs::file_size(block);
    EXPECT_LE(used, kLimit);
    EXPECT_GE(used, 3 * kMiB);
  }
}

TEST(BlockCacheTest, AFolderThatOthersCouldFillIsRefused) {
  const TemporaryFolder folder;
  const auto open = [](const std::string& directory) {
    const auto cache = OpenBlockCache({.directory = directory});
    return cache ? std::string("ok") : cache.error().ToString();
  };
  const std::string shared = folder.path() + "/shared";
  fs::create_directory(shared);
  fs::permissions(shared, fs::perms::all);
  EXPECT_NE(open(shared).find("others may write in it: run 'chmod 700 " + shared), std::string::npos) << open(shared);
  fs::permissions(shared, fs::perms::owner_all);
  EXPECT_EQ(open(shared), "ok");
  fs::create_directory_symlink(shared, folder.path() + "/link");
  EXPECT_NE(open(folder.path() + "/link").find("symbolic link"), std::string::npos);
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a folder another's";
  ASSERT_EQ(chown(shared.c_str(), 12345, 12345), 0);
  EXPECT_NE(open(shared).find("belongs to another user (uid 12345)"), std::string::npos) << open(shared);
}

TEST_F(CacheStoreTest, AnythingInABlocksPlaceIsNoBlock) {
  const std::string content = Pattern(kMiB, 13);
  const Generation generation = Put("k", content);
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  cache_->Flush();
  const std::string place = Blocks().at(0);
  const std::string secret = folder_.path() + "/secret";
  std::ofstream(secret) << "not to be served or overwritten";
  for (const bool pipe : {true, false}) {
    ASSERT_EQ(unlink(place.c_str()), 0);
    if (pipe) {
      ASSERT_EQ(mkfifo(place.c_str(), 0600), 0);
    } else {
      fs::create_symlink(secret, place);
    }
    EXPECT_EQ(Read("k", {.if_generation = generation}), content);
    cache_->Flush();
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(place)));
  }
  EXPECT_EQ(fs::file_size(secret), 31u);
}

TEST_F(CacheStoreTest, LeavesTheDiskItsReserve) {
  const auto fill = [&](uint64_t reserve_bytes) {
    const BlockCacheOptions options{
        .directory = directory(), .limit_bytes = 256 * kMiB, .reserve_bytes = reserve_bytes};
    cache_ = *OpenBlockCache(options);
    store_ = MakeCacheStore(inner_, cache_, "bucket");
    for (int i = 0; i < 8; ++i) {
      const std::string key = std::to_string(reserve_bytes) + "/" + std::to_string(i);
      const std::string content = Pattern(kMiB, static_cast<uint64_t>(i));
      const Generation generation = Put(key, content);
      EXPECT_EQ(Read(key, {.if_generation = generation}), content);
      cache_->Flush();
    }
  };
  fill(0);
  EXPECT_EQ(Blocks().size(), 8u);
  // More than the disk has: everything that is cached is too much.
  fill(1ULL << 60);
  EXPECT_EQ(cache_->Stats().stored, 0u);
  const uint64_t free = fs::space(directory()).available;
  fill(free + 4 * kMiB);
  EXPECT_LT(Blocks().size(), 8u) << "it gives back what the disk lacks";
}

TEST(BlockCacheTest, AFolderThatCannotBeMadeIsAnErrorThatNamesIt) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() + "/file") << "no folder";
  for (const std::string& directory : {folder.path() + "/file/cache", std::string("/proc/no-such-folder/cache")}) {
    const auto cache = OpenBlockCache({.directory = directory});
    ASSERT_FALSE(cache);
    EXPECT_NE(cache.error().message().find(directory.substr(0, directory.rfind('/'))), std::string::npos)
        << cache.error().ToString();
  }
}

// Two processes, or two mounts of one: what either has fetched the other has too, and together they keep the bound.
TEST_F(CacheStoreTest, TwoCachesShareAFolder) {
  constexpr uint64_t kLimit = 8 * kMiB;
  Reopen(kLimit);
  const auto other_cache = Open(directory(), kLimit);
  const auto other = MakeCacheStore(inner_, other_cache, "bucket");
  for (int i = 0; i < 20; ++i) {
    const std::string key = std::to_string(i);
    const std::string content = Pattern(kMiB, static_cast<uint64_t>(i));
    const Generation generation = Put(key, content);
    Store& first = i % 2 == 0 ? *store_ : *other;
    Store& second = i % 2 == 0 ? *other : *store_;
    ASSERT_TRUE(first.Read(key, {.if_generation = generation}, {}));
    cache_->Flush();
    other_cache->Flush();
    const uint64_t before = Requests();
    const auto read = second.Read(key, {.if_generation = generation}, {});
    ASSERT_TRUE(read && *read && (*read)->data.view() == content);
    EXPECT_EQ(Requests(), before);
    uint64_t used = 0;
    for (const auto& block : Blocks()) used += fs::file_size(block);
    EXPECT_LE(used, kLimit);
  }
}

TEST_F(CacheStoreTest, StaysWithinItsBound) {
  constexpr uint64_t kLimit = 6 * kMiB;
  Reopen(kLimit);
  for (int i = 0; i < 12; ++i) {
    const std::string key = "k" + std::to_string(i);
    const Generation generation = Put(key, Pattern(kMiB, static_cast<uint64_t>(i)));
    (void)Read(key, {.if_generation = generation});
    cache_->Flush();
    uint64_t used = 0;
    for (const auto& block : Blocks()) used += fs::file_size(block);
    EXPECT_LE(used, kLimit);
  }
  EXPECT_GT(cache_->Stats().evicted, 0u);
  EXPECT_GE(Blocks().size(), 3u);
}

TEST_F(CacheStoreTest, AFullDiskIsNoError) {
  base::SetLogLevel(base::LogLevel::kOff);
  const std::string content = Pattern(2 * kMiB, 5);
  const Generation generation = Put("k", content);
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small = {100'000, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  cache_->Flush();
  EXPECT_EQ(Read("k", {.if_generation = generation}), content);
  cache_->Flush();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  base::SetLogLevel(base::LogLevel::kWarning);
  EXPECT_EQ(cache_->Stats().stored, 0u);
  EXPECT_EQ(cache_->Stats().dropped, 4u);
  EXPECT_TRUE(Blocks().empty());
}

TEST_F(CacheStoreTest, ADiskThatHangsDelaysNobody) {
  const std::string content = Pattern(16 * kMiB, 12);
  const Generation generation = Put("k", content);
  const auto opened = OpenBlockCache({.directory = directory(), .limit_bytes = 256 * kMiB, .queue_bytes = 4 * kMiB});
  ASSERT_TRUE(opened);
  cache_ = *opened;
  store_ = MakeCacheStore(inner_, cache_, "bucket");
  // Whoever writes has to count first, and cannot.
  const int usage = open((directory() + "/usage").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_GE(usage, 0);
  ASSERT_EQ(flock(usage, LOCK_EX), 0);
  for (uint64_t at = 0; at < content.size(); at += kMiB) {
    const ReadOptions options{.range = ByteRange{at, kMiB}, .if_generation = generation};
    ASSERT_TRUE(Read("k", options) == content.substr(at, kMiB));
  }
  EXPECT_GE(cache_->Stats().dropped, 12u) << "what does not fit into the queue";
  EXPECT_EQ(cache_->Stats().stored, 0u);
  close(usage);
  cache_->Flush();
  EXPECT_EQ(cache_->Stats().stored + cache_->Stats().dropped, 16u);
  EXPECT_GT(cache_->Stats().stored, 0u);
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

TEST(BlockHeaderTest, ComesBackAndDamageShows) {
  BlockHeader header;
  header.id = {"bucket\nkey", kSmallBlockBytes, 7};
  header.generation = Generation("99");
  header.object_bytes = kMiB;
  header.object_crc32c = 5;
  header.payload_begin = 1000;
  header.payload_bytes = kSmallBlockBytes - 1000;
  header.crc32c[1] = 77;
  auto encoded = EncodeBlockHeader(header);
  ASSERT_TRUE(encoded);
  const auto back = DecodeBlockHeader(*encoded);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id.object, header.id.object);
  EXPECT_EQ(back->generation, header.generation);
  EXPECT_EQ(back->payload_begin, 1000u);
  EXPECT_EQ(back->object_crc32c, 5u);
  EXPECT_EQ(back->crc32c, header.crc32c);
  for (size_t i = 0; i < encoded->size(); i += 97) {
    auto damaged = *encoded;
    damaged[i] ^= std::byte{0x10};
    EXPECT_FALSE(DecodeBlockHeader(damaged)) << i;
  }
  header.id.object = std::string(5000, 'x');
  EXPECT_FALSE(EncodeBlockHeader(header));
}

}  // namespace
}  // namespace seamount::store
