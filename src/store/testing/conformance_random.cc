#include <atomic>
#include <random>
#include <thread>

#include "store/testing/conformance_cases.h"

namespace seamount::store::conformance {
namespace {

using Traits = ConformanceTraits;

// Counts up to a total by compare-and-swap on an object, as locks and manifests are made: no increment may be lost.
void ExactlyOneConditionalWriterWins(Store& store, const Traits& traits) {
  constexpr int kThreads = 6;
  constexpr int kEach = 5;
  std::atomic<int> created = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto made = store.Write("created", BytesSource("by " + std::to_string(t)), {.if_generation = kAbsent}, {});
      created += made ? 1 : 0;
      EXPECT_EQ(CodeOf(made), made ? "ok" : "PreconditionFailed");
      for (int done = 0; done < kEach;) {
        const auto now = store.Read("counter", {}, {});
        ASSERT_TRUE(now) << now.error().ToString();
        const std::string old = now->has_value() ? std::string((*now)->data.view()) : "";
        const Generation generation = now->has_value() ? (*now)->info.generation : kAbsent;
        // Each writer's bytes are its own, so that its own success can be told from another's.
        const std::string mine = old + static_cast<char>('a' + t);
        const auto written = store.Write("counter", BytesSource(mine), {.if_generation = generation}, {});
        done += written ? 1 : 0;
        ASSERT_EQ(CodeOf(written), written ? "ok" : "PreconditionFailed");
      }
    });
  }
  threads.clear();
  EXPECT_EQ(created, 1);
  const std::string total = Content(store, "counter");
  EXPECT_GE(total.size(), static_cast<size_t>(kThreads * kEach)) << total;
  if (!traits.loses_answers) {
    EXPECT_EQ(total.size(), static_cast<size_t>(kThreads * kEach)) << total;
  }
}

// A reader sees a whole old object or a whole new one.
void ReadersSeeWholeObjects(Store& store, const Traits&) {
  constexpr size_t kSize = 300'000;
  Put(store, "whole", std::string(kSize, 'a'));
  std::jthread writer([&](const std::stop_token& stop) {
    for (int i = 1; !stop.stop_requested(); ++i) {
      Put(store, "whole", std::string(kSize, static_cast<char>('a' + i % 26)));
    }
  });
  std::vector<std::jthread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      for (int i = 0; i < 30; ++i) {
        const std::string seen = Content(store, "whole");
        ASSERT_EQ(seen.size(), kSize);
        ASSERT_EQ(seen, std::string(kSize, seen.front())) << "a mixture of two writes";
      }
    });
  }
  readers.clear();
}

// One writer per key at a time, so the plain map is always right.
class Model {
 public:
  Model(Store& store, uint64_t seed, const Traits& traits) : store_(store), random_(seed), traits_(traits) {}

  void Step() {
    switch (random_() % 10) {
      case 0:
      case 1: return Write();
      case 2: return Delete();
      case 3: return Copy();
      case 4: return Compose();
      case 5: return List();
      case 6: return Move();
      case 7: return Patch();
      default: return Read();
    }
  }

 private:
  struct Object {
    std::string content;
    std::map<std::string, std::string> metadata;
    Generation generation;
  };

  std::string AnyKey() {
    static const std::vector<std::string> kKeys = {"a", "a/b", "a/b/c", "b", "b/", "d/e", "ü", "d/e/f//g", "z"};
    return kKeys[random_() % kKeys.size()];
  }

  std::string AnyContent() {
    std::string content(random_() % 20 == 0 ? random_() % 300'000 : random_() % 40, '\0');
    for (char& c : content) c = static_cast<char>(random_());
    return content;
  }

  template <class T>
  static void ExpectMismatch(const Result<T>& result) {
    EXPECT_CODE("PreconditionFailed", result);
  }

  static void ExpectError(const Result<ObjectInfo>& result) { EXPECT_FALSE(result.has_value()); }

  Generation GenerationOf(const std::string& key) const {
    const auto it = objects_.find(key);
    return it == objects_.end() ? kAbsent : it->second.generation;
  }

  // No condition, one that holds, or one that does not.
  std::optional<Generation> AnyCondition(const std::string& key) {
    switch (random_() % 4) {
      case 0: return GenerationOf(key);
      case 1: return AnotherGeneration(key);
      default: return std::nullopt;
    }
  }

  // One that the key does not have: of another object, or of none.
  Generation AnotherGeneration(const std::string& key) {
    const Generation other = GenerationOf(AnyKey());
    return other == GenerationOf(key) || other == kAbsent ? Generation("123456789") : other;
  }

  bool Holds(const std::string& key, std::optional<Generation> condition) const {
    return !condition || *condition == GenerationOf(key);
  }

  void Keep(const std::string& key, const Result<ObjectInfo>& info, std::string content,
            std::map<std::string, std::string> metadata) {
    ASSERT_TRUE(info) << info.error().ToString();
    EXPECT_NE(info->generation, GenerationOf(key));
    EXPECT_EQ(info->size_bytes, content.size());
    objects_[key] = {std::move(content), std::move(metadata), info->generation};
  }

  void Write() {
    const std::string key = AnyKey();
    const std::string content = AnyContent() + std::to_string(++writes_);
    const std::map<std::string, std::string> metadata = {{"n", std::to_string(random_() % 100)}};
    const auto condition = AnyCondition(key);
    const auto info = store_.Write(key, BytesSource(content), {.if_generation = condition, .metadata = metadata}, {});
    if (!Holds(key, condition)) return ExpectMismatch(info);
    Keep(key, info, content, metadata);
  }

  void Delete() {
    const std::string key = AnyKey();
    const auto condition = AnyCondition(key);
    if (condition == kAbsent) return;  // "delete if absent" means nothing
    const auto deleted = store_.Delete(key, {.if_generation = condition}, {});
    if (!Holds(key, condition)) return ExpectMismatch(deleted);
    ASSERT_TRUE(deleted) << deleted.error().ToString();
    EXPECT_EQ(*deleted, objects_.erase(key) > 0);
  }

  void Copy() {
    const std::string from = AnyKey();
    const std::string to = AnyKey();
    const auto condition = AnyCondition(to);
    const auto info = store_.Copy(from, to, {.if_generation = condition}, {});
    if (!objects_.contains(from)) return ExpectError(info);
    if (!Holds(to, condition)) return ExpectMismatch(info);
    const Object source = objects_[from];
    Keep(to, info, source.content, source.metadata);
  }

  void Move() {
    const std::string from = AnyKey();
    const std::string to = AnyKey();
    const auto condition = AnyCondition(to);
    if (from == to) return;
    const auto info = store_.Move(from, to, {.if_generation = condition}, {});
    if (!objects_.contains(from)) return ExpectError(info);
    if (!Holds(to, condition)) return ExpectMismatch(info);
    const Object source = objects_[from];
    objects_.erase(from);
    Keep(to, info, source.content, source.metadata);
  }

  void Patch() {
    const std::string key = AnyKey();
    const std::string value = std::to_string(random_() % 100);
    const auto info = store_.Patch(key, {.metadata = {{"patched", value}, {"n", std::nullopt}}}, {}, {});
    if (!objects_.contains(key)) return ExpectError(info);
    ASSERT_TRUE(info) << info.error().ToString();
    EXPECT_EQ(info->generation, objects_[key].generation);
    objects_[key].metadata["patched"] = value;
    objects_[key].metadata.erase("n");
  }

  void Compose() {
    const std::string to = AnyKey();
    std::vector<ComposeSource> sources;
    std::string content;
    bool all_there = true;
    for (size_t i = 0; i < 1 + random_() % 3; ++i) {
      sources.push_back({AnyKey(), std::nullopt});
      const auto it = objects_.find(sources.back().key);
      all_there = all_there && it != objects_.end();
      if (it != objects_.end()) content += it->second.content;
    }
    auto condition = AnyCondition(to);
    if (traits_.loses_answers && !condition) condition = GenerationOf(to);
    const auto info = store_.Compose(sources, to, {.if_generation = condition}, {});
    if (!all_there) return ExpectError(info);
    if (!Holds(to, condition)) return ExpectMismatch(info);
    if (content.size() > 1'000'000) return static_cast<void>(Forget(to));
    Keep(to, info, content, {});
  }

  // Composing doubles sizes; what has grown too long is deleted.
  void Forget(const std::string& key) {
    ASSERT_TRUE(store_.Delete(key, {}, {}));
    objects_.erase(key);
  }

  void Read() {
    const std::string key = AnyKey();
    const auto it = objects_.find(key);
    ReadOptions options;
    if (random_() % 2 == 0) options.range = ByteRange{random_() % 60, random_() % 50};
    if (it != objects_.end() && random_() % 2 == 0) options.if_generation = it->second.generation;
    const std::string seen = Content(store_, key, options);
    if (it == objects_.end()) {
      EXPECT_EQ(seen, "<absent>");
      return;
    }
    std::string expected = it->second.content;
    if (options.range) {
      expected = options.range->offset >= expected.size()
                     ? ""
                     : expected.substr(options.range->offset, *options.range->length);
    }
    EXPECT_TRUE(seen == expected) << key << ": " << seen.size() << " bytes, not the " << expected.size() << " expected";
    const auto stat = StatOf(store_, key);
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->generation, it->second.generation);
    EXPECT_EQ(stat->metadata, it->second.metadata);
  }

  void List() {
    static const std::vector<std::string> kPrefixes = {"", "a", "a/", "b/", "d/e", "nothing"};
    const std::string& prefix = kPrefixes[random_() % kPrefixes.size()];
    const std::string delimiter = random_() % 2 == 0 ? "/" : "";
    const ListPage page =
        ListOf(store_, {.prefix = prefix, .delimiter = delimiter, .max_results = 1 + static_cast<int>(random_() % 4)});
    std::vector<std::string> keys;
    std::vector<std::string> prefixes;
    for (const auto& [key, object] : objects_) {
      if (!key.starts_with(prefix)) continue;
      const size_t cut = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
      if (cut == std::string::npos) {
        keys.push_back(key);
      } else if (prefixes.empty() || prefixes.back() != key.substr(0, cut + 1)) {
        prefixes.push_back(key.substr(0, cut + 1));
      }
    }
    EXPECT_EQ(Keys(page), keys) << "prefix '" << prefix << "'";
    EXPECT_EQ(page.prefixes, prefixes) << "prefix '" << prefix << "'";
  }

  Store& store_;
  std::mt19937_64 random_;
  const Traits traits_;
  std::map<std::string, Object> objects_;
  int writes_ = 0;
};

void RandomOperationsMatchAMap(Store& store, const Traits& traits) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  Model model(store, seed, traits);
  for (int i = 0; i < traits.random_operations && !testing::Test::HasFailure(); ++i) model.Step();
}

constexpr Case kCases[] = {{"ExactlyOneConditionalWriterWins", ExactlyOneConditionalWriterWins},
                           {"ReadersSeeWholeObjects", ReadersSeeWholeObjects},
                           {"RandomOperationsMatchAMap", RandomOperationsMatchAMap}};

}  // namespace

std::span<const Case> RandomCases() { return kCases; }

}  // namespace seamount::store::conformance
