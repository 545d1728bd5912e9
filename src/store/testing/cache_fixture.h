// Within the tests of store/cache: a cache over a memory store, in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "store/cache/block_cache.h"
#include "store/cache/cache_store.h"
#include "store/memory/memory_store.h"
#include "store/testing/temporary_folder.h"
#include "store/trace/trace_store.h"

namespace seamount::store {

namespace fs = std::filesystem;

inline constexpr uint64_t kMiB = 1 << 20;

inline std::shared_ptr<BlockCache> Open(const std::string& directory, uint64_t limit_bytes = 256 * kMiB) {
  auto cache = OpenBlockCache({.directory = directory, .limit_bytes = limit_bytes});
  EXPECT_TRUE(cache) << cache.error().ToString();
  return *std::move(cache);
}

inline std::string Pattern(size_t size, uint64_t seed) {
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

}  // namespace seamount::store
