#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/checksum.h"
#include "store/testing/conformance_cases.h"

namespace seamount::store::conformance {
namespace {

using Traits = ConformanceTraits;
using Metadata = std::map<std::string, std::string>;

void CopyKeepsWhatItIsNotTold(Store& store, const Traits&) {
  const ObjectInfo source = Put(store, "from", "bytes", {.content_type = "text/plain", .metadata = {{"a", "1"}}});
  const auto copy = store.Copy("from", "to/here", {}, {});
  ASSERT_TRUE(copy) << copy.error().ToString();
  EXPECT_EQ(copy->key, "to/here");
  EXPECT_EQ(copy->size_bytes, 5u);
  EXPECT_EQ(copy->crc32c, source.crc32c);
  EXPECT_EQ(Content(store, "to/here"), "bytes");
  EXPECT_EQ(StatOf(store, "to/here")->content_type, "text/plain");
  EXPECT_EQ(StatOf(store, "to/here")->metadata, (Metadata{{"a", "1"}}));
  EXPECT_EQ(Content(store, "from"), "bytes");
  const auto renamed = store.Copy("from", "to/there", {.metadata = Metadata{{"b", "2"}}}, {});
  ASSERT_TRUE(renamed) << renamed.error().ToString();
  EXPECT_EQ(StatOf(store, "to/there")->metadata, (Metadata{{"b", "2"}}));
}

void CopyOntoItselfChangesMetadata(Store& store, const Traits&) {
  const ObjectInfo before = Put(store, "m", "bytes", {.content_type = "text/plain", .metadata = {{"a", "1"}}});
  const CopyOptions options{
      .if_generation = before.generation, .if_source_generation = before.generation, .metadata = Metadata{{"b", "2"}}};
  const auto after = store.Copy("m", "m", options, {});
  ASSERT_TRUE(after) << after.error().ToString();
  EXPECT_NE(after->generation, before.generation);
  EXPECT_EQ(Content(store, "m"), "bytes");
  EXPECT_EQ(StatOf(store, "m")->metadata, (Metadata{{"b", "2"}}));
  EXPECT_EQ(StatOf(store, "m")->generation, after->generation);
  EXPECT_CODE("PreconditionFailed", store.Copy("m", "m", options, {}));
  const auto cleared = store.Copy("m", "m", {.metadata = Metadata{}}, {});
  ASSERT_TRUE(cleared) << cleared.error().ToString();
  EXPECT_TRUE(StatOf(store, "m")->metadata.empty());
}

void ConditionalCopies(Store& store, const Traits&) {
  const ObjectInfo source = Put(store, "s", "source");
  EXPECT_CODE("NotFound", store.Copy("absent", "t", {}, {}));
  EXPECT_CODE("PreconditionFailed", store.Copy("s", "t", {.if_source_generation = Generation("999999999")}, {}));
  EXPECT_CODE("PreconditionFailed", store.Copy("s", "t", {.if_generation = source.generation}, {}));
  EXPECT_FALSE(StatOf(store, "t").has_value());
  const auto made = store.Copy("s", "t", {.if_generation = kAbsent, .if_source_generation = source.generation}, {});
  ASSERT_TRUE(made) << made.error().ToString();
  Put(store, "other", "another source");
  EXPECT_CODE("PreconditionFailed", store.Copy("other", "t", {.if_generation = kAbsent}, {}));
  ASSERT_TRUE(store.Copy("s", "t", {.if_generation = made->generation}, {}));
  EXPECT_EQ(Content(store, "t"), "source");
}

void ComposeConcatenates(Store& store, const Traits&) {
  Put(store, "p/1", "one,");
  const ObjectInfo two = Put(store, "p/2", "two,");
  Put(store, "p/e", "");
  const WriteOptions options{
      .if_generation = kAbsent, .content_type = "text/csv", .metadata = Metadata{{"parts", "4"}}};
  const auto whole = store.Compose(
      {{"p/1", std::nullopt}, {"p/2", two.generation}, {"p/e", std::nullopt}, {"p/1", std::nullopt}}, "w", options, {});
  ASSERT_TRUE(whole) << whole.error().ToString();
  EXPECT_EQ(whole->size_bytes, 12u);
  EXPECT_EQ(Content(store, "w"), "one,two,one,");
  const auto stat = StatOf(store, "w");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->crc32c, base::Crc32c(base::AsBytes("one,two,one,")));
  EXPECT_EQ(stat->content_type, "text/csv");
  EXPECT_EQ(stat->metadata, options.metadata);
  EXPECT_CODE("PreconditionFailed", store.Compose({{"p/1", std::nullopt}}, "w", options, {}));
}

// How an append works: the object itself is the first source.
void ComposeOntoItselfAppends(Store& store, const Traits&) {
  ObjectInfo log = Put(store, "log", "0");
  for (int i = 1; i < 5; ++i) {
    const ObjectInfo tail = Put(store, "tail", std::to_string(i));
    auto longer = store.Compose({{"log", log.generation}, {"tail", tail.generation}}, "log",
                                {.if_generation = log.generation}, {});
    ASSERT_TRUE(longer) << longer.error().ToString();
    EXPECT_NE(longer->generation, log.generation);
    log = *longer;
  }
  EXPECT_EQ(Content(store, "log"), "01234");
}

void ComposeRefusesWhatIsNotThere(Store& store, const Traits&) {
  const ObjectInfo a = Put(store, "a", "a");
  EXPECT_CODE("NotFound", store.Compose({{"a", std::nullopt}, {"absent", std::nullopt}}, "w", {}, {}));
  EXPECT_CODE("PreconditionFailed", store.Compose({{"a", Generation("999999999")}}, "w", {}, {}));
  EXPECT_CODE("InvalidArgument", store.Compose({}, "w", {}, {}));
  const std::vector<ComposeSource> most(kMaxComposeSources, {"a", std::nullopt});
  ASSERT_TRUE(store.Compose(most, "most", {}, {}));
  EXPECT_EQ(StatOf(store, "most")->size_bytes, kMaxComposeSources);
  const std::vector<ComposeSource> many(kMaxComposeSources + 1, {"a", std::nullopt});
  EXPECT_CODE("InvalidArgument", store.Compose(many, "w", {}, {}));
  EXPECT_FALSE(StatOf(store, "w").has_value());
}

const ContentHeaders kHeaders = {.cache_control = "no-store",
                                 .content_disposition = "attachment; filename=\"x y.nc\"",
                                 .content_encoding = "gzip",
                                 .content_language = "de"};

void HeadersAreKept(Store& store, const Traits&) {
  Put(store, "h", "bytes", {.headers = kHeaders});
  EXPECT_EQ(StatOf(store, "h")->headers, kHeaders);
  EXPECT_EQ(ListOf(store, {}).objects.at(0).headers, kHeaders);
  ASSERT_TRUE(store.Copy("h", "copied", {.metadata = Metadata{{"a", "1"}}}, {}));
  EXPECT_EQ(StatOf(store, "copied")->headers, kHeaders);
  ASSERT_TRUE(store.Compose({{"h", std::nullopt}}, "composed", {.headers = kHeaders}, {}));
  EXPECT_EQ(StatOf(store, "composed")->headers, kHeaders);
  Put(store, "h", "bytes");
  EXPECT_EQ(StatOf(store, "h")->headers, ContentHeaders());
}

void PatchKeepsContentAndGeneration(Store& store, const Traits&) {
  const ObjectInfo before = Put(store, "p", "bytes", {.metadata = {{"kept", "1"}, {"changed", "2"}, {"gone", "3"}}});
  const AttributeChanges changes{.content_type = "text/plain",
                                 .headers = kHeaders,
                                 .metadata = {{"changed", "new"}, {"gone", std::nullopt}, {"added", "4"}}};
  const auto after = store.Patch("p", changes, {.if_generation = before.generation}, {});
  ASSERT_TRUE(after) << after.error().ToString();
  EXPECT_EQ(after->generation, before.generation);
  EXPECT_EQ(after->size_bytes, 5u);
  const auto stat = StatOf(store, "p");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->generation, before.generation);
  EXPECT_EQ(stat->updated, before.updated) << "the content is as old as it was";
  EXPECT_EQ(stat->content_type, "text/plain");
  EXPECT_EQ(stat->headers, kHeaders);
  EXPECT_EQ(stat->metadata, (Metadata{{"kept", "1"}, {"changed", "new"}, {"added", "4"}}));
  EXPECT_EQ(stat->crc32c, before.crc32c);
  EXPECT_EQ(Content(store, "p", {.if_generation = before.generation}), "bytes");
  ASSERT_TRUE(store.Patch("p", {}, {}, {}));
  ASSERT_TRUE(store.Patch("p", {.headers = ContentHeaders()}, {}, {}));
  EXPECT_EQ(StatOf(store, "p")->headers, ContentHeaders());
  EXPECT_EQ(StatOf(store, "p")->metadata, stat->metadata);
}

void ConditionalPatches(Store& store, const Traits&) {
  const ObjectInfo old = Put(store, "p", "old");
  Put(store, "p", "new");
  const AttributeChanges changes{.metadata = {{"a", "1"}}};
  EXPECT_CODE("PreconditionFailed", store.Patch("p", changes, {.if_generation = old.generation}, {}));
  EXPECT_TRUE(StatOf(store, "p")->metadata.empty());
  EXPECT_CODE("NotFound", store.Patch("absent", changes, {}, {}));
  EXPECT_FALSE(StatOf(store, "absent").has_value());
}

void MoveRenames(Store& store, const Traits&) {
  const ObjectInfo source =
      Put(store, "from/a", "bytes", {.content_type = "text/plain", .metadata = {{"a", "1"}}, .headers = kHeaders});
  const auto moved = store.Move("from/a", "to/b", {.if_generation = kAbsent}, {});
  ASSERT_TRUE(moved) << moved.error().ToString();
  EXPECT_EQ(moved->key, "to/b");
  EXPECT_EQ(moved->size_bytes, 5u);
  EXPECT_FALSE(StatOf(store, "from/a").has_value());
  const auto stat = StatOf(store, "to/b");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->generation, moved->generation);
  EXPECT_EQ(stat->crc32c, source.crc32c);
  EXPECT_EQ(stat->content_type, "text/plain");
  EXPECT_EQ(stat->metadata, (Metadata{{"a", "1"}}));
  EXPECT_EQ(stat->headers, kHeaders);
  EXPECT_EQ(Content(store, "to/b", {.if_generation = moved->generation}), "bytes");
  EXPECT_EQ(Keys(ListOf(store, {})), (std::vector<std::string>{"to/b"}));
  // Below and above itself, which names of files cannot have both.
  ASSERT_TRUE(store.Move("to/b", "to/b/c", {}, {}));
  EXPECT_EQ(Content(store, "to/b/c"), "bytes");
  ASSERT_TRUE(store.Move("to/b/c", "to", {}, {}));
  EXPECT_EQ(Keys(ListOf(store, {})), (std::vector<std::string>{"to"}));
  EXPECT_EQ(Content(store, "to"), "bytes");
}

void ConditionalMoves(Store& store, const Traits&) {
  const ObjectInfo old = Put(store, "s", "old");
  const ObjectInfo source = Put(store, "s", "source");
  const ObjectInfo there = Put(store, "t", "there");
  EXPECT_CODE("PreconditionFailed", store.Move("s", "t", {.if_generation = kAbsent}, {}));
  EXPECT_CODE("PreconditionFailed", store.Move("s", "new", {.if_source_generation = old.generation}, {}));
  EXPECT_CODE("NotFound", store.Move("absent", "t", {}, {}));
  EXPECT_CODE("InvalidArgument", store.Move("s", "s", {}, {}));
  EXPECT_EQ(Content(store, "s"), "source");
  EXPECT_EQ(Content(store, "t"), "there");
  EXPECT_FALSE(StatOf(store, "new").has_value());
  const MoveOptions options{
      .if_generation = there.generation, .if_source_generation = source.generation, .source = source};
  ASSERT_TRUE(store.Move("s", "t", options, {}));
  EXPECT_EQ(Content(store, "t"), "source");
  EXPECT_FALSE(StatOf(store, "s").has_value());
}

// Of several who move one object, each to a place of its own, exactly one has it.
void MovesClaim(Store& store, const Traits&) {
  constexpr int kThreads = 4;
  for (int round = 0; round < 5; ++round) {
    const ObjectInfo source = Put(store, "task", "round " + std::to_string(round));
    std::atomic<int> claimed = 0;
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          const std::string to = "claimed/" + std::to_string(t);
          const auto moved =
              store.Move("task", to, {.if_generation = kAbsent, .if_source_generation = source.generation}, {});
          claimed += moved ? 1 : 0;
          EXPECT_THAT(CodeOf(moved), testing::AnyOf("ok", "NotFound", "PreconditionFailed"));
        });
      }
    }
    EXPECT_EQ(claimed, 1);
    const ListPage page = ListOf(store, {});
    ASSERT_EQ(page.objects.size(), 1u);
    ASSERT_TRUE(store.Delete(page.objects[0].key, {}, {}));
  }
}

constexpr Case kCases[] = {{"CopyKeepsWhatItIsNotTold", CopyKeepsWhatItIsNotTold},
                           {"CopyOntoItselfChangesMetadata", CopyOntoItselfChangesMetadata},
                           {"ConditionalCopies", ConditionalCopies},
                           {"ComposeConcatenates", ComposeConcatenates},
                           {"ComposeOntoItselfAppends", ComposeOntoItselfAppends},
                           {"ComposeRefusesWhatIsNotThere", ComposeRefusesWhatIsNotThere},
                           {"HeadersAreKept", HeadersAreKept},
                           {"PatchKeepsContentAndGeneration", PatchKeepsContentAndGeneration},
                           {"ConditionalPatches", ConditionalPatches},
                           {"MoveRenames", MoveRenames},
                           {"ConditionalMoves", ConditionalMoves},
                           {"MovesClaim", MovesClaim}};

}  // namespace

std::span<const Case> ServerCases() { return kCases; }

}  // namespace seamount::store::conformance
