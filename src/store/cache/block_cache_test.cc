// The folder of a block cache: its bound, whose it is, and what may lie in it.
#include "store/cache/block_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/log.h"
#include "store/cache/block_file.h"
#include "store/testing/cache_fixture.h"

namespace seamount::store {
namespace {

using BlockFolderTest = CacheStoreTest;

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

TEST_F(BlockFolderTest, AnythingInABlocksPlaceIsNoBlock) {
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

TEST_F(BlockFolderTest, LeavesTheDiskItsReserve) {
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
  // Others use the disk too: what is free is asked for until it holds still meanwhile.
  bool gave_back = false;
  for (int attempt = 0; attempt < 30 && !gave_back; ++attempt) {
    const size_t before = Blocks().size();
    fill(fs::space(directory()).available + 4 * kMiB);
    gave_back = Blocks().size() < before;
  }
  EXPECT_TRUE(gave_back) << "it gives back what the disk lacks";
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
TEST_F(BlockFolderTest, TwoCachesShareAFolder) {
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

TEST_F(BlockFolderTest, StaysWithinItsBound) {
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

TEST_F(BlockFolderTest, AFullDiskIsNoError) {
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

TEST_F(BlockFolderTest, ADiskThatHangsDelaysNobody) {
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

TEST_F(BlockFolderTest, AWrongCountOfWhatIsUsedIsSetRight) {
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

// A corpus of an older version would show the fuzzer nothing but the first comparison.
TEST(BlockHeaderTest, TheCorpusOfTheFuzzerIsOfThisVersion) {
  for (const char* name : {"part_of_a_block", "large_block"}) {
    std::ifstream file(std::string(SEAMOUNT_FUZZ_CORPUS) + "/block_header/" + name, std::ios::binary);
    EncodedBlockHeader bytes{};
    file.read(reinterpret_cast<char*>(bytes.data()), bytes.size());
    ASSERT_TRUE(file) << name;
    EXPECT_TRUE(DecodeBlockHeader(bytes)) << name;
  }
}

TEST(BlockHeaderTest, ComesBackAndDamageShows) {
  BlockHeader header;
  header.id = {"bucket\nkey", 7};
  header.generation = Generation("99");
  header.object_bytes = 8 * kMiB;
  header.object_crc32c = 5;
  header.payload_begin = 1000;
  header.payload_bytes = 130'072;
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
