#include <set>

#include "store/testing/conformance_cases.h"

namespace seamount::store::conformance {
namespace {

using Traits = ConformanceTraits;
using Names = std::vector<std::string>;

void PutAll(Store& store, const Names& keys) {
  for (const std::string& key : keys) Put(store, key, key);
}

void ListsInByteOrder(Store& store, const Traits&) {
  EXPECT_TRUE(Keys(ListOf(store, {})).empty());
  PutAll(store, {"b", "a/z", "a.z", "a", "B", "é", "a/b/c", "a0"});
  const ListPage page = ListOf(store, {});
  EXPECT_EQ(Keys(page), (Names{"B", "a", "a.z", "a/b/c", "a/z", "a0", "b", "é"}));
  EXPECT_TRUE(page.prefixes.empty());
  const auto stat = StatOf(store, "a/b/c");
  ASSERT_TRUE(stat && page.objects.size() > 3);
  EXPECT_EQ(page.objects[3].generation, stat->generation);
  EXPECT_EQ(page.objects[3].size_bytes, 5u);
}

void PrefixesFilter(Store& store, const Traits&) {
  PutAll(store, {"a/1", "a/2", "ab", "b/1", "a"});
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "a/"})), (Names{"a/1", "a/2"}));
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "a"})), (Names{"a", "a/1", "a/2", "ab"}));
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "a/1"})), (Names{"a/1"}));
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "a/1/"})), Names{});
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "zzz"})), Names{});
}

void DelimitersFold(Store& store, const Traits&) {
  PutAll(store, {"d/", "d/a", "d/b/1", "d/b/2", "d/c", "d/e/f/g", "d//x", "e", "f/1"});
  const ListPage top = ListOf(store, {.delimiter = "/"});
  EXPECT_EQ(Keys(top), (Names{"e"}));
  EXPECT_EQ(top.prefixes, (Names{"d/", "f/"}));
  const ListPage inside = ListOf(store, {.prefix = "d/", .delimiter = "/"});
  EXPECT_EQ(Keys(inside), (Names{"d/", "d/a", "d/c"}));
  EXPECT_EQ(inside.prefixes, (Names{"d//", "d/b/", "d/e/"}));
  const ListPage partial = ListOf(store, {.prefix = "d/b", .delimiter = "/"});
  EXPECT_EQ(Keys(partial), Names{});
  EXPECT_EQ(partial.prefixes, (Names{"d/b/"}));
}

void MarkersComeWithTheirPrefixes(Store& store, const Traits&) {
  PutAll(store, {"a/", "a/1", "b/1", "b/2", "c", "d/", "d/e/"});
  ListOptions options{.delimiter = "/", .include_trailing_delimiter = true};
  const ListPage whole = ListOf(store, options);
  EXPECT_EQ(whole.prefixes, (Names{"a/", "b/", "d/"}));
  EXPECT_EQ(Keys(whole), (Names{"a/", "c", "d/"}));
  const ListPage inside = ListOf(store, {.prefix = "d/", .delimiter = "/", .include_trailing_delimiter = true});
  EXPECT_EQ(inside.prefixes, (Names{"d/e/"}));
  EXPECT_EQ(Keys(inside), (Names{"d/", "d/e/"}));
  options.max_results = 1;
  Names names, prefixes;
  do {
    const auto page = store.List(options, {});
    ASSERT_TRUE(page) << page.error().ToString();
    for (const ObjectInfo& object : page->objects) names.push_back(object.key);
    prefixes.insert(prefixes.end(), page->prefixes.begin(), page->prefixes.end());
    options.page_token = page->next_page_token;
    ASSERT_LT(names.size(), 10u) << "the pages do not end";
  } while (!options.page_token.empty());
  EXPECT_EQ(names, (Names{"a/", "c", "d/"}));
  EXPECT_EQ(prefixes, whole.prefixes);
}

void StartOffsetSkips(Store& store, const Traits&) {
  PutAll(store, {"a", "b/1", "b/2", "c", "d"});
  EXPECT_EQ(Keys(ListOf(store, {.start_offset = "b/2"})), (Names{"b/2", "c", "d"}));
  EXPECT_EQ(Keys(ListOf(store, {.start_offset = "b/3"})), (Names{"c", "d"}));
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "b/", .start_offset = "a"})), (Names{"b/1", "b/2"}));
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "b/", .start_offset = "c"})), Names{});
  const ListPage folded = ListOf(store, {.delimiter = "/", .start_offset = "b/2"});
  EXPECT_EQ(Keys(folded), (Names{"c", "d"}));
  EXPECT_EQ(folded.prefixes, (Names{"b/"}));
}

void EndOffsetEnds(Store& store, const Traits&) {
  PutAll(store, {"a", "b/1", "b/2", "c", "d"});
  EXPECT_EQ(Keys(ListOf(store, {.end_offset = "c"})), (Names{"a", "b/1", "b/2"}));
  EXPECT_EQ(Keys(ListOf(store, {.start_offset = "b/2", .end_offset = "d"})), (Names{"b/2", "c"}));
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "b/", .end_offset = "b/2"})), (Names{"b/1"}));
  EXPECT_EQ(Keys(ListOf(store, {.start_offset = "c", .end_offset = "b"})), Names{});
  const ListPage folded = ListOf(store, {.delimiter = "/", .end_offset = "b/2", .max_results = 1});
  EXPECT_EQ(Keys(folded), (Names{"a"}));
  EXPECT_EQ(folded.prefixes, (Names{"b/"}));
  EXPECT_TRUE(ListOf(store, {.delimiter = "/", .end_offset = "b/1"}).prefixes.empty());
}

void PagesCoverEachNameOnce(Store& store, const Traits&) {
  Names keys;
  for (int i = 0; i < 7; ++i) {
    keys.push_back("p/x" + std::to_string(i));
    for (int j = 0; j < 3; ++j) keys.push_back("p/d" + std::to_string(i) + "/" + std::to_string(j));
  }
  PutAll(store, keys);
  for (const std::string& delimiter : {std::string(), std::string("/")}) {
    ListOptions options{.prefix = "p/", .delimiter = delimiter, .max_results = 2};
    std::multiset<std::string> seen;
    int pages = 0;
    do {
      const auto page = store.List(options, {});
      ASSERT_TRUE(page) << page.error().ToString();
      EXPECT_LE(page->objects.size() + page->prefixes.size(), 2u);
      for (const ObjectInfo& object : page->objects) seen.insert(object.key);
      seen.insert(page->prefixes.begin(), page->prefixes.end());
      options.page_token = page->next_page_token;
      ASSERT_LT(++pages, 100) << "the pages do not end";
    } while (!options.page_token.empty());
    const ListPage whole = ListOf(store, {.prefix = "p/", .delimiter = delimiter});
    std::multiset<std::string> expected(whole.prefixes.begin(), whole.prefixes.end());
    for (const ObjectInfo& object : whole.objects) expected.insert(object.key);
    EXPECT_EQ(seen, expected) << "delimiter '" << delimiter << "'";
    EXPECT_EQ(seen.size(), delimiter.empty() ? 28u : 14u);
  }
  EXPECT_CODE("InvalidArgument", store.List({.max_results = 0}, {}));
}

void WritesAndDeletesShowAtOnce(Store& store, const Traits&) {
  for (int i = 0; i < 5; ++i) {
    Put(store, "x/" + std::to_string(i), "1");
    EXPECT_EQ(ListOf(store, {.prefix = "x/"}).objects.size(), static_cast<size_t>(i + 1));
  }
  ASSERT_TRUE(store.Delete("x/3", {}, {}));
  EXPECT_EQ(Keys(ListOf(store, {.prefix = "x/"})), (Names{"x/0", "x/1", "x/2", "x/4"}));
  for (const int i : {0, 1, 2, 4}) ASSERT_TRUE(store.Delete("x/" + std::to_string(i), {}, {}));
  EXPECT_TRUE(ListOf(store, {.delimiter = "/"}).prefixes.empty()) << "a prefix outlived its objects";
}

constexpr Case kCases[] = {{"ListsInByteOrder", ListsInByteOrder},
                           {"PrefixesFilter", PrefixesFilter},
                           {"DelimitersFold", DelimitersFold},
                           {"MarkersComeWithTheirPrefixes", MarkersComeWithTheirPrefixes},
                           {"StartOffsetSkips", StartOffsetSkips},
                           {"EndOffsetEnds", EndOffsetEnds},
                           {"PagesCoverEachNameOnce", PagesCoverEachNameOnce},
                           {"WritesAndDeletesShowAtOnce", WritesAndDeletesShowAtOnce}};

}  // namespace

std::span<const Case> ListingCases() { return kCases; }

}  // namespace seamount::store::conformance
