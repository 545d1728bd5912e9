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
  EXPECT_CODE("PreconditionFailed", store.Copy("s", "t", {.if_source_generation = source.generation + 1}, {}));
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
  EXPECT_CODE("PreconditionFailed", store.Compose({{"a", a.generation + 1}}, "w", {}, {}));
  EXPECT_CODE("InvalidArgument", store.Compose({}, "w", {}, {}));
  const std::vector<ComposeSource> most(kMaxComposeSources, {"a", std::nullopt});
  ASSERT_TRUE(store.Compose(most, "most", {}, {}));
  EXPECT_EQ(StatOf(store, "most")->size_bytes, kMaxComposeSources);
  const std::vector<ComposeSource> many(kMaxComposeSources + 1, {"a", std::nullopt});
  EXPECT_CODE("InvalidArgument", store.Compose(many, "w", {}, {}));
  EXPECT_FALSE(StatOf(store, "w").has_value());
}

constexpr Case kCases[] = {{"CopyKeepsWhatItIsNotTold", CopyKeepsWhatItIsNotTold},
                           {"CopyOntoItselfChangesMetadata", CopyOntoItselfChangesMetadata},
                           {"ConditionalCopies", ConditionalCopies},
                           {"ComposeConcatenates", ComposeConcatenates},
                           {"ComposeOntoItselfAppends", ComposeOntoItselfAppends},
                           {"ComposeRefusesWhatIsNotThere", ComposeRefusesWhatIsNotThere}};

}  // namespace

std::span<const Case> ServerCases() { return kCases; }

}  // namespace seamount::store::conformance
