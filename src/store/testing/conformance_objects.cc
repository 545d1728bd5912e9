#include <algorithm>
#include <chrono>
#include <unordered_set>

#include "base/checksum.h"
#include "store/testing/conformance_cases.h"

namespace seamount::store::conformance {
namespace {

using Traits = ConformanceTraits;

std::vector<std::string> OddKeys(size_t longest) {
  return {"a",
          "dir/file.txt",
          "trailing/",
          "a//b",
          "//",
          "/leading",
          "a/./b",
          "a/../b",
          "../escape",
          "a/..",
          "...",
          ".hidden",
          "space in name",
          "per%cent",
          "per%25cent",
          "%2E%2E",
          "%00",
          "x%+",
          "x%~",
          "question?mark#hash&and=plus+",
          "quote\"back\\slash",
          "tab\there",
          "grün/日本語/🌊",
          "[glob]*",
          "~tilde:colon;",
          std::string(longest, 'k'),
          std::string(300, 's') + "/" + std::string(300, 't')};
}

void AbsenceIsAValue(Store& store, const Traits&) {
  EXPECT_FALSE(Get(store, "nothing").has_value());
  EXPECT_FALSE(StatOf(store, "nothing").has_value());
  const auto deleted = store.Delete("nothing", {}, {});
  ASSERT_TRUE(deleted) << deleted.error().ToString();
  EXPECT_FALSE(*deleted);
}

void WrittenIsRead(Store& store, const Traits&) {
  const WriteOptions options{.content_type = "text/plain", .metadata = {{"station", "Kiel"}, {"k2", "v 2"}}};
  const ObjectInfo written = Put(store, "dir/a.txt", "hello", options);
  EXPECT_EQ(written.key, "dir/a.txt");
  EXPECT_EQ(written.size_bytes, 5u);
  EXPECT_NE(written.generation, kAbsent);
  const auto read = Get(store, "dir/a.txt");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->data.view(), "hello");
  EXPECT_EQ(read->info.key, "dir/a.txt");
  EXPECT_EQ(read->info.size_bytes, 5u);
  EXPECT_EQ(read->info.generation, written.generation);
  const auto stat = StatOf(store, "dir/a.txt");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->generation, written.generation);
  EXPECT_EQ(stat->size_bytes, 5u);
  EXPECT_EQ(stat->content_type, "text/plain");
  EXPECT_EQ(stat->metadata, options.metadata);
  EXPECT_EQ(stat->crc32c, base::Crc32c(base::AsBytes("hello")));
  const auto age = std::chrono::system_clock::now() - stat->updated;
  EXPECT_LT(age, std::chrono::hours(1));
  EXPECT_GT(age, -std::chrono::hours(1));
}

void EmptyAndLargeObjects(Store& store, const Traits&) {
  EXPECT_EQ(Put(store, "empty", "").size_bytes, 0u);
  EXPECT_EQ(Content(store, "empty"), "");
  EXPECT_EQ(Content(store, "empty", {.range = ByteRange{.offset = 0, .length = 10}}), "");
  // Larger than any part, chunk or block that a driver or decorator cuts.
  std::string large(17 * 1024 * 1024 + 3, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>((i * 2654435761U) >> 13);
  const ObjectInfo info = Put(store, "large", large);
  EXPECT_EQ(info.crc32c, base::Crc32c(base::AsBytes(large)));
  EXPECT_TRUE(Content(store, "large") == large) << "the content differs";
  const ReadOptions across{.range = ByteRange{.offset = 1'048'000, .length = 3'000'000}};
  EXPECT_TRUE(Content(store, "large", across) == large.substr(1'048'000, 3'000'000)) << "a range differs";
  const ReadOptions tail{.range = ByteRange{.offset = large.size() - 7}, .if_generation = info.generation};
  EXPECT_EQ(Content(store, "large", tail), large.substr(large.size() - 7));
}

void Ranges(Store& store, const Traits&) {
  const ObjectInfo info = Put(store, "r", "0123456789");
  const auto range = [&](uint64_t offset, std::optional<uint64_t> length) {
    // Twice with a generation: what the first leaves behind must not change the second.
    const ReadOptions pinned{.range = ByteRange{offset, length}, .if_generation = info.generation};
    std::string first = Content(store, "r", pinned);
    EXPECT_EQ(Content(store, "r", pinned), first);
    EXPECT_EQ(Content(store, "r", {.range = ByteRange{offset, length}}), first);
    const auto read = Get(store, "r", pinned);
    EXPECT_EQ(read ? read->info.size_bytes : 0, 10u) << "the size is of the whole object";
    EXPECT_EQ(read ? read->info.generation : kAbsent, info.generation);
    return first;
  };
  EXPECT_EQ(range(0, 10), "0123456789");
  EXPECT_EQ(range(3, 4), "3456");
  EXPECT_EQ(range(9, 1), "9");
  EXPECT_EQ(range(7, 100), "789");
  EXPECT_EQ(range(4, std::nullopt), "456789");
  EXPECT_EQ(range(0, std::nullopt), "0123456789");
  EXPECT_EQ(range(10, 5), "");
  EXPECT_EQ(range(10, std::nullopt), "");
  EXPECT_EQ(range(1'000'000, 5), "");
  EXPECT_EQ(range(3, 0), "");
  const auto last = [&](uint64_t bytes) {
    const ReadOptions pinned{.range = ByteRange::Last(bytes), .if_generation = info.generation};
    std::string first = Content(store, "r", pinned);
    EXPECT_EQ(Content(store, "r", pinned), first);
    EXPECT_EQ(Content(store, "r", {.range = ByteRange::Last(bytes)}), first);
    return first;
  };
  EXPECT_EQ(last(3), "789");
  EXPECT_EQ(last(10), "0123456789");
  EXPECT_EQ(last(11), "0123456789");
  EXPECT_EQ(last(UINT64_MAX), "0123456789");
  EXPECT_EQ(last(0), "");
  Put(store, "none", "");
  EXPECT_EQ(Content(store, "none", {.range = ByteRange::Last(5)}), "");
  EXPECT_FALSE(Get(store, "absent", {.range = ByteRange::Last(5)}).has_value());
  EXPECT_EQ(range(0, 0), "");
  EXPECT_EQ(range(5, UINT64_MAX), "56789");
  EXPECT_EQ(range(UINT64_MAX, UINT64_MAX), "");
  EXPECT_FALSE(Get(store, "absent", {.range = ByteRange{.offset = 3, .length = 0}}).has_value());
  EXPECT_FALSE(Get(store, "absent", {.range = ByteRange{.offset = 3, .length = 2}}).has_value());
}

void GenerationsChange(Store& store, const Traits&) {
  std::unordered_set<Generation> seen;
  for (int i = 0; i < 20; ++i) seen.insert(Put(store, "g", "same bytes").generation);
  EXPECT_EQ(seen.size(), 20u) << "an overwrite kept a generation";
  ASSERT_TRUE(store.Delete("g", {}, {}));
  seen.insert(Put(store, "g", "same bytes").generation);
  EXPECT_EQ(seen.size(), 21u) << "a generation came back after a delete";
  EXPECT_FALSE(seen.contains(kAbsent));
}

void ConditionalReads(Store& store, const Traits& traits) {
  const ObjectInfo old = Put(store, "c", "old");
  EXPECT_EQ(Content(store, "c", {.if_generation = old.generation}), "old");
  Put(store, "c", "newer");
  const auto stale = store.Read("c", {.if_generation = old.generation}, {});
  if (stale && traits.serves_old_generations) {
    ASSERT_TRUE(stale->has_value());
    EXPECT_EQ((*stale)->data.view(), "old") << "bytes of another generation";
  } else {
    EXPECT_CODE("PreconditionFailed", stale);
  }
  EXPECT_EQ(Content(store, "c"), "newer");
  EXPECT_CODE("PreconditionFailed", store.Read("c", {.if_generation = Generation("12345")}, {}));
  EXPECT_CODE("PreconditionFailed", store.Read("absent", {.if_generation = old.generation}, {}));
  EXPECT_CODE(
      "PreconditionFailed",
      store.Read("absent", {.range = ByteRange{.offset = 1, .length = 0}, .if_generation = Generation("77")}, {}));
}

void ConditionalWrites(Store& store, const Traits&) {
  const ObjectInfo first = Put(store, "w", "1", {.if_generation = kAbsent});
  EXPECT_CODE("PreconditionFailed", store.Write("w", BytesSource("x"), {.if_generation = kAbsent}, {}));
  EXPECT_EQ(Content(store, "w"), "1");
  const ObjectInfo second = Put(store, "w", "2", {.if_generation = first.generation});
  EXPECT_CODE("PreconditionFailed", store.Write("w", BytesSource("x"), {.if_generation = first.generation}, {}));
  EXPECT_EQ(Content(store, "w"), "2");
  EXPECT_EQ(StatOf(store, "w")->generation, second.generation);
  EXPECT_CODE("PreconditionFailed", store.Write("new", BytesSource("x"), {.if_generation = second.generation}, {}));
  EXPECT_FALSE(StatOf(store, "new").has_value());
}

void ConditionalDeletes(Store& store, const Traits&) {
  const ObjectInfo first = Put(store, "d", "1");
  const ObjectInfo second = Put(store, "d", "2");
  EXPECT_CODE("PreconditionFailed", store.Delete("d", {.if_generation = first.generation}, {}));
  EXPECT_EQ(Content(store, "d"), "2");
  const auto deleted = store.Delete("d", {.if_generation = second.generation}, {});
  ASSERT_TRUE(deleted) << deleted.error().ToString();
  EXPECT_TRUE(*deleted);
  EXPECT_FALSE(StatOf(store, "d").has_value());
  EXPECT_FALSE(Get(store, "d").has_value());
  EXPECT_CODE("PreconditionFailed", store.Delete("d", {.if_generation = second.generation}, {}));
}

void OverwritesReplaceEverything(Store& store, const Traits&) {
  Put(store, "o", "a long first content", {.content_type = "text/plain", .metadata = {{"a", "1"}}});
  Put(store, "o", "short", {.content_type = "image/png", .metadata = {{"b", "2"}}});
  const auto stat = StatOf(store, "o");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->size_bytes, 5u);
  EXPECT_EQ(stat->content_type, "image/png");
  EXPECT_EQ(stat->metadata, (std::map<std::string, std::string>{{"b", "2"}}));
  EXPECT_EQ(Content(store, "o"), "short");
}

void OddKeysAreKeys(Store& store, const Traits& traits) {
  std::vector<std::string> keys = OddKeys(traits.max_key_bytes);
  for (const std::string& key : keys) Put(store, key, "content of " + key, {.if_generation = kAbsent});
  for (const std::string& key : keys) {
    EXPECT_EQ(Content(store, key), "content of " + key) << key;
    const auto stat = StatOf(store, key);
    ASSERT_TRUE(stat) << key;
    EXPECT_EQ(stat->key, key);
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(Keys(ListOf(store, {})), keys);
  for (const std::string& key : keys) {
    const auto deleted = store.Delete(key, {}, {});
    ASSERT_TRUE(deleted) << key << ": " << deleted.error().ToString();
    EXPECT_TRUE(*deleted) << key;
  }
  EXPECT_TRUE(Keys(ListOf(store, {})).empty());
}

// What is a file and a folder at once in a file system is two objects here.
void ObjectsBesidePrefixes(Store& store, const Traits&) {
  const std::vector<std::string> keys = {"n", "n/", "n/x", "n/x/y", "n.z"};
  for (const std::string& key : keys) Put(store, key, key);
  for (const std::string& key : keys) EXPECT_EQ(Content(store, key), key);
  ASSERT_TRUE(store.Delete("n/x/y", {}, {}));
  EXPECT_EQ(Content(store, "n/x"), "n/x");
  ASSERT_TRUE(store.Delete("n", {}, {}));
  EXPECT_EQ(Content(store, "n/x"), "n/x");
  Put(store, "n", "again");
  EXPECT_EQ(Content(store, "n"), "again");
  EXPECT_EQ(Keys(ListOf(store, {})), (std::vector<std::string>{"n", "n.z", "n/", "n/x"}));
}

void BadKeysAreRefused(Store& store, const Traits&) {
  const std::vector<std::string> bad = {
      "", std::string(1025, 'k'), std::string("a\0b", 3), "a\nb", "a\rb", ".", "..", "\xff\xfe", "cut \xe6\x97"};
  for (const std::string& key : bad) {
    EXPECT_CODE("InvalidArgument", store.Read(key, {}, {}));
    EXPECT_CODE("InvalidArgument", store.Stat(key, {}));
    EXPECT_CODE("InvalidArgument", store.Write(key, BytesSource("x"), {}, {}));
    EXPECT_CODE("InvalidArgument", store.Delete(key, {}, {}));
    EXPECT_CODE("InvalidArgument", store.Copy(key, "b", {}, {}));
    EXPECT_CODE("InvalidArgument", store.Copy("a", key, {}, {}));
    EXPECT_CODE("InvalidArgument", store.Compose({{"a", std::nullopt}}, key, {}, {}));
  }
}

template <class Check>
void EveryCall(Store& store, const CallContext& context, Check check) {
  check(CodeOf(store.Read("k", {}, context)));
  check(CodeOf(store.Stat("k", context)));
  check(CodeOf(store.Write("k", BytesSource("x"), {}, context)));
  check(CodeOf(store.Delete("k", {}, context)));
  check(CodeOf(store.List({}, context)));
  check(CodeOf(store.Copy("k", "l", {}, context)));
  check(CodeOf(store.Compose({{"k", std::nullopt}}, "l", {}, context)));
}

void StopAndDeadlineEndCalls(Store& store, const Traits&) {
  Put(store, "k", "kept");
  std::stop_source source;
  source.request_stop();
  EveryCall(store, {.stop = source.get_token()}, [](const std::string& code) { EXPECT_EQ(code, "Cancelled"); });
  const CallContext late{.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)};
  EveryCall(store, late, [](const std::string& code) { EXPECT_EQ(code, "Unavailable"); });
  EXPECT_EQ(Content(store, "k"), "kept");
  EXPECT_FALSE(StatOf(store, "l").has_value());
}

// A source whose bytes cannot be had fails the write, whole.
void BrokenSourceWritesNothing(Store& store, const Traits&) {
  class Broken final : public ByteSource {
   public:
    uint64_t size() const override { return 100; }
    Result<void> ReadAt(uint64_t, std::span<std::byte>) const override { return base::DataLoss("the file shrank"); }
  };
  EXPECT_CODE("DataLoss", store.Write("b", Broken(), {}, {}));
  EXPECT_FALSE(StatOf(store, "b").has_value());
}

constexpr Case kCases[] = {{"AbsenceIsAValue", AbsenceIsAValue},
                           {"WrittenIsRead", WrittenIsRead},
                           {"EmptyAndLargeObjects", EmptyAndLargeObjects},
                           {"Ranges", Ranges},
                           {"GenerationsChange", GenerationsChange},
                           {"ConditionalReads", ConditionalReads},
                           {"ConditionalWrites", ConditionalWrites},
                           {"ConditionalDeletes", ConditionalDeletes},
                           {"OverwritesReplaceEverything", OverwritesReplaceEverything},
                           {"OddKeysAreKeys", OddKeysAreKeys},
                           {"ObjectsBesidePrefixes", ObjectsBesidePrefixes},
                           {"BadKeysAreRefused", BadKeysAreRefused},
                           {"StopAndDeadlineEndCalls", StopAndDeadlineEndCalls},
                           {"BrokenSourceWritesNothing", BrokenSourceWritesNothing}};

}  // namespace

std::span<const Case> ObjectCases() { return kCases; }

}  // namespace seamount::store::conformance
