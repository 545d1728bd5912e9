// Listings of a shared folder against the names that were put there, sorted.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include "server/share.h"
#include "server/testing/server_fixture.h"
#include "store/store.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string>;

struct Listed {
  Names objects;
  Names prefixes;
  bool operator==(const Listed&) const = default;
};

// What a listing is, said once more and plainly.
Listed Expected(const std::set<std::string>& names, const ListQuery& query) {
  Listed listed;
  for (const std::string& name : names) {
    if (!name.starts_with(query.prefix) || name < query.start_offset) continue;
    if (!query.end_offset.empty() && name >= query.end_offset) continue;
    const size_t cut = query.delimiter.empty() ? std::string::npos : name.find(query.delimiter, query.prefix.size());
    const std::string prefix = cut == std::string::npos ? "" : name.substr(0, cut + query.delimiter.size());
    if (prefix.empty() || (query.include_trailing_delimiter && name == prefix)) listed.objects.push_back(name);
    if (!prefix.empty() && (listed.prefixes.empty() || listed.prefixes.back() != prefix))
      listed.prefixes.push_back(prefix);
  }
  return listed;
}

class ShareListing : public testing::Test {
 protected:
  void Open(ShareFolder::Options options = {}) {
    auto folder = ShareFolder::Open("winds", data(), options);
    ASSERT_TRUE(folder) << folder.error().ToString();
    share_ = std::make_unique<Share>(*std::move(folder), ShareSums::Open(temporary_.path() + "/sums.db"));
  }
  std::string data() const { return temporary_.path() + "/data"; }
  void Write(const std::string& name) {
    fs::create_directories(fs::path(data() + "/" + name).parent_path());
    std::ofstream(data() + "/" + name) << name;
    names_.insert(name);
  }
  Listed Pages(ListQuery query, int page) {
    Listed listed;
    query.max_results = page;
    for (int pages = 0; pages < 10'000; ++pages) {
      auto listing = share_->List(query);
      EXPECT_TRUE(listing) << listing.error().ToString();
      if (!listing) return listed;
      for (const ObjectRow& row : listing->objects) listed.objects.push_back(row.name);
      listed.prefixes.insert(listed.prefixes.end(), listing->prefixes.begin(), listing->prefixes.end());
      if (listing->next_page_token.empty()) return listed;
      // Those that have the same name as an object that a prefix stands for come with it.
      EXPECT_GE(listing->objects.size() + listing->prefixes.size(), static_cast<size_t>(page));
      query.page_token = listing->next_page_token;
    }
    ADD_FAILURE() << "the pages do not end";
    return listed;
  }

  TemporaryFolder temporary_;
  std::set<std::string> names_;
  std::unique_ptr<Share> share_;
};

TEST_F(ShareListing, IsInTheOrderOfWholeNames) {
  for (const char* name : {"a/b", "a/b.nc/c", "a.nc", "a0", "a/b0", "a-/x", "Z", "\xc3\xa9/x", "a/b-"}) Write(name);
  Open();
  EXPECT_EQ(Pages({}, 1000).objects, Names(names_.begin(), names_.end()));
  EXPECT_EQ(Pages({.delimiter = "/"}, 1), (Listed{{"Z", "a.nc", "a0"}, {"a-/", "a/", "\xc3\xa9/"}}));
}

TEST_F(ShareListing, EqualsASortedWalkForRandomTrees) {
  const char* given = std::getenv("SEAMOUNT_TEST_SEED");
  const auto seed = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  static const Names kParts = {"a", "b", ".x", "-", "0", "~", "\xc3\xa9", " "};
  const auto name = [&] {
    std::string text;
    for (size_t i = 0; i <= below(3); ++i) text += kParts[below(kParts.size())];
    return text;
  };
  const auto path = [&](size_t depth) {
    std::string text = name();
    for (size_t i = 0; i < depth; ++i) text += "/" + name();
    return text;
  };
  for (int tree = 0; tree < 20; ++tree) {
    fs::remove_all(data());
    fs::create_directories(data());
    names_.clear();
    for (size_t i = 0, count = below(40); i < count; ++i) {
      const std::string file = path(below(4));
      std::error_code error;  // a part of it may be a file already
      fs::create_directories(fs::path(data() + "/" + file).parent_path(), error);
      if (!error && !fs::exists(data() + "/" + file)) Write(file);
    }
    for (int i = 0; i < 3; ++i) {
      std::error_code error;
      fs::create_directories(data() + "/" + path(2), error);  // without a file, mostly
    }
    ASSERT_EQ(mkfifo((data() + "/fifo").c_str(), 0600), 0);
    if (!names_.empty()) {
      const std::string target = *std::next(names_.begin(), static_cast<std::ptrdiff_t>(below(names_.size())));
      const size_t slash = target.find('/');
      fs::create_symlink(target.substr(0, slash), data() + "/a-link");
      std::set<std::string> linked;
      if (slash == std::string::npos) linked.insert("a-link");
      for (const std::string& other : names_)
        if (slash != std::string::npos && other.starts_with(target.substr(0, slash + 1)))
          linked.insert("a-link" + other.substr(slash));
      names_.merge(linked);
    }
    Open();
    for (int i = 0; i < 60; ++i) {
      ListQuery query;
      if (below(2) == 0) query.prefix = path(below(3)).substr(0, 1 + below(8)) + (below(2) == 0 ? "/" : "");
      if (!names_.empty() && below(2) == 0) {
        const std::string& some = *std::next(names_.begin(), static_cast<std::ptrdiff_t>(below(names_.size())));
        query.prefix = some.substr(0, below(some.size() + 1));
        while (!query.prefix.empty() && !store::CheckKey(query.prefix)) query.prefix.pop_back();
      }
      if (below(3) > 0) query.delimiter = below(4) > 0 ? "/" : kParts[below(kParts.size())];
      if (below(3) == 0) query.start_offset = path(below(3));
      if (below(3) == 0) query.end_offset = path(below(3));
      query.include_trailing_delimiter = below(2) == 0;
      const Listed expected = Expected(names_, query);
      for (const int page : {1000, static_cast<int>(1 + below(6))})
        ASSERT_EQ(Pages(query, page), expected)
            << "prefix '" << query.prefix << "' delimiter '" << query.delimiter << "' from '" << query.start_offset
            << "' until '" << query.end_offset << "' pages of " << page;
    }
  }
}

TEST_F(ShareListing, KeepsNamesOfAFolderUntilItChanges) {
  for (int i = 0; i < 1000; ++i) Write("f" + std::to_string(i));
  const timespec old[2] = {{1'600'000'000, 0}, {1'600'000'000, 0}};
  utimensat(AT_FDCWD, data().c_str(), old, 0);
  Open();
  EXPECT_EQ(Pages({}, 100).objects, Names(names_.begin(), names_.end()));
  Write("between");
  EXPECT_EQ(Pages({}, 100).objects, Names(names_.begin(), names_.end()));
  fs::remove(data() + "/f7");
  names_.erase("f7");
  EXPECT_EQ(Pages({}, 100).objects, Names(names_.begin(), names_.end()));
}

TEST_F(ShareListing, LeavesOutWhatCanBeNoObject) {
  Write("good");
  for (const char* name : {"line\nbreak", "not\xff utf-8", "bad\r/x"}) {
    Write(name);
    names_.erase(name);
  }
  std::string deep;
  for (int i = 0; i < 5; ++i) deep += std::string(240, 'd') + "/";
  Write(deep + "x");
  names_.erase(deep + "x");
  Open();
  EXPECT_EQ(Pages({}, 1), (Listed{{"good"}, {}}));
  EXPECT_EQ(Pages({.delimiter = "/"}, 1), (Listed{{"good"}, {}}));
}

TEST_F(ShareListing, FollowsLinksInsideOnly) {
  Write("real/x");
  Write("real/deep/y");
  fs::create_directories(temporary_.path() + "/outside/folder");
  std::ofstream(temporary_.path() + "/outside/secret") << "secret";
  std::ofstream(temporary_.path() + "/outside/folder/secret") << "secret";
  fs::create_symlink("real", data() + "/folder-link");
  fs::create_symlink("real/x", data() + "/file-link");
  fs::create_symlink("../outside/secret", data() + "/out-file");
  fs::create_symlink("../outside/folder", data() + "/out-folder");
  fs::create_symlink(temporary_.path() + "/outside/folder", data() + "/out-absolute");
  fs::create_symlink("/proc/self/root", data() + "/out-magic");
  fs::create_symlink("nowhere", data() + "/dangling");
  fs::create_symlink("loop", data() + "/loop");
  fs::create_symlink(".", data() + "/itself");
  fs::create_symlink("../..", data() + "/real/deep/above");
  fs::create_symlink("..", data() + "/real/up");
  Open();
  const Names served = {"file-link", "folder-link/deep/y", "folder-link/x", "real/deep/y", "real/x"};
  EXPECT_EQ(Pages({}, 2).objects, served);
  EXPECT_EQ(Pages({.delimiter = "/"}, 1), (Listed{{"file-link"}, {"folder-link/", "real/"}}));
  for (const char* prefix : {"out-folder/", "out-absolute/", "out-magic/", "../outside/", "real/../", "./", "/"})
    EXPECT_EQ(Pages({.prefix = prefix}, 10), Listed()) << prefix;
  const auto found = [&](const std::string& name) {
    const auto row = share_->Find(name);
    EXPECT_TRUE(row) << name << ": " << row.error().ToString();
    return row && *row;
  };
  for (const std::string& name : served) EXPECT_TRUE(found(name)) << name;
  for (const char* name : {"out-file", "out-folder/secret", "out-absolute/secret", "out-magic/etc/passwd", "dangling",
                           "loop", "../outside/secret", "real/../../outside/secret", "real/./x", "real//x", "/real/x",
                           "real", "real/", "real/x/", "", "real/x/y"})
    EXPECT_FALSE(found(name)) << name;

  // As on a kernel without openat2: the same without any link.
  Open({.openat2 = false});
  EXPECT_EQ(Pages({}, 2).objects, (Names{"real/deep/y", "real/x"}));
  for (const char* name : {"out-file", "out-folder/secret", "file-link", "folder-link/x", "real/up/real/x"})
    EXPECT_FALSE(found(name)) << name;
  EXPECT_TRUE(found("real/x"));
}

}  // namespace
}  // namespace seamount::server
