// A folder, a store in memory that calls can be watched and broken at, and what tests of versions do with them.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <thread>

#include "store/decorated_store.h"
#include "store/memory/memory_store.h"
#include "versions/diff.h"
#include "versions/folder.h"
#include "versions/remove.h"
#include "versions/restore.h"
#include "versions/save.h"

namespace seamount::versions {

namespace fs = std::filesystem;
using store::CallKind;
using store::StoreCall;

// Calls `before` first, whose error is the call's.
class HookedStore final : public store::DecoratedStore<HookedStore> {
 public:
  explicit HookedStore(std::shared_ptr<Store> inner) : DecoratedStore(std::move(inner)) {}

  template <class T, class Call>
  Result<T> Around(const StoreCall& which, const Call& call) {
    SEAMOUNT_TRY(before(which));
    return call();
  }

  std::function<Result<void>(const StoreCall&)> before = [](const StoreCall&) -> Result<void> { return {}; };
};

inline std::string Noise(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(size, '\0');
  for (size_t at = 0; at < size; at += 8) {
    const uint64_t word = random();
    text.replace(at, std::min<size_t>(8, size - at), reinterpret_cast<const char*>(&word),
                 std::min<size_t>(8, size - at));
  }
  return text;
}

inline void Put(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

inline std::string Get(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Every file below with its content, links with their target, folders as they are.
inline std::map<std::string, std::string> TreeOf(const fs::path& root) {
  std::map<std::string, std::string> tree;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string path = entry.path().lexically_relative(root);
    if (entry.is_symlink()) {
      tree[path] = "-> " + fs::read_symlink(entry.path()).string();
    } else {
      tree[path] = entry.is_directory() ? "folder" : Get(entry.path());
    }
  }
  return tree;
}

inline bool IsChunk(const StoreCall& which, CallKind kind) {
  return which.kind == kind && which.key.starts_with(kChunks);
}

class Versions : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "versions-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    model_ = folder_ / "model";
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<Saved> SaveAs(const std::string& name) { return Save(store_, {.folder = model_, .name = name}, {}); }

  Result<Restored> RestoreTo(const std::string& name, const std::string& to, RestoreOptions options = {}) {
    SEAMOUNT_TRY_ASSIGN(const auto version, LoadVersion(store_, name, {}));
    options.folder = folder_ / to;
    return Restore(store_, version.manifest, options, {});
  }

  std::vector<std::string> Keys(const std::string& prefix) {
    std::vector<std::string> keys;
    const auto page = store::ListAll(store_, {.prefix = prefix}, {});
    for (const auto& object : page->objects) keys.push_back(object.key);
    return keys;
  }

  fs::path folder_, model_;
  HookedStore store_{store::MakeMemoryStore()};
};

}  // namespace seamount::versions
