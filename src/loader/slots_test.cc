// Slots with variables, leads, groups and types of their own, against a gather of single elements.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "loader/testing/fields.h"
#include "zarr/group.h"

namespace seamount::loader {
namespace {

using testing::HasSubstr;

constexpr int64_t kTimes = 40;

struct SlotsTest : public testing::Test {
  // Group 0 has fields of 6 x 10, group 1 of 3 x 4; s and t are static.
  void SetUp() override {
    SCOPED_TRACE("seed " + std::to_string(seed));
    fields.push_back(MakeField("a", {kTimes, 6, 10}, {1 + random() % 7, 6, 10}, random()));
    fields.push_back(MakeField("b", {kTimes, 6, 10}, {1 + random() % 7, 4, 7}, random()));
    fields.push_back(MakeField("s", {6, 10}, {4, 4}, random()));
    fields.push_back(MakeField("c", {kTimes, 3, 4}, {1 + random() % 7, 2, 4}, random()));
    fields.push_back(MakeField("t", {3, 4}, {3, 4}, random()));
    for (Field& field : fields) {
      if (field.shape.size() == 2) field.dims = {"lat", "lon"};
      for (float& value : field.values) {
        if (random() % 400 == 0) value = std::numeric_limits<float>::quiet_NaN();
      }
      WriteField(stores[GroupOf(field.name)], field);
    }
  }

  static uint32_t GroupOf(const std::string& name) { return name == "c" || name == "t" ? 1 : 0; }

  Result<std::unique_ptr<Loader>> TryOpenGroups(LoaderOptions options) {
    std::vector<Group> groups;
    for (const auto& store : stores) {
      SEAMOUNT_TRY_ASSIGN(auto group, Group::Open(store, {}, {}));
      groups.push_back(std::move(group));
    }
    return Loader::Open(std::move(groups), std::move(options), {});
  }

  const Field& FieldOf(const std::string& name) const {
    return *std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; });
  }

  SlotOptions RandomSlot(const std::string& name) {
    const bool second = random() % 3 == 0;
    const std::vector<std::string> from =
        second ? std::vector<std::string>{"c", "t"} : std::vector<std::string>{"a", "b", "s"};
    SlotOptions slot{.name = name, .variables = {from[random() % from.size()]}, .leads = {}, .group = second ? 1U : 0U};
    while (random() % 2 == 0) slot.variables.push_back(from[random() % from.size()]);
    do slot.leads.push_back(static_cast<int64_t>(random() % 7) - 3);
    while (random() % 2 == 0);
    if (random() % 2 == 0) slot.dtype = nd::DataType::kFloat64;
    if (random() % 2 == 0) slot.missing.fill = -0.5;
    if (random() % 4 == 0) slot.missing.sample = MissingPolicy::Sample::kSkip;
    slot.normalize = random() % 2 == 0;
    return slot;
  }

  bool IsMissing(const SlotOptions& slot, uint64_t sample) const {
    for (const int64_t lead : slot.leads) {
      for (const std::string& name : slot.variables) {
        const Field& from = FieldOf(name);
        const size_t field = slot.group == 1 ? 12 : 60;
        const size_t begin = from.shape.size() == 2 ? 0 : (sample + static_cast<uint64_t>(lead)) * field;
        for (size_t e = begin; e < begin + field; ++e) {
          if (std::isnan(from.values[e])) return true;
        }
      }
    }
    return false;
  }

  // Checks one slot of a batch, element by element.
  void ExpectSlot(const SlotOptions& slot, const BatchSlot& got, const std::vector<uint64_t>& index) {
    const size_t field = slot.group == 1 ? 12 : 60;
    size_t at = 0;
    for (const uint64_t sample : index) {
      for (const int64_t lead : slot.leads) {
        for (const std::string& name : slot.variables) {
          const Field& from = FieldOf(name);
          const size_t begin = from.shape.size() == 2 ? 0 : (sample + static_cast<uint64_t>(lead)) * field;
          for (size_t e = 0; e < field; ++e, ++at) {
            const float stored = from.values[begin + e];
            double expected = slot.normalize ? (stored - 2) / 4 : stored;
            const bool missing = std::isnan(stored);
            if (missing && slot.missing.fill) expected = *slot.missing.fill;
            const double value = slot.dtype == nd::DataType::kFloat64 ? reinterpret_cast<const double*>(got.data)[at]
                                                                      : double{got.floats()[at]};
            ASSERT_TRUE(value == expected || (std::isnan(value) && std::isnan(expected)))
                << slot.name << " " << name << " sample " << sample << " lead " << lead << " element " << e << ": "
                << value << " instead of " << expected;
            ASSERT_EQ(got.mask != nullptr, slot.missing.fill.has_value());
            if (got.mask != nullptr) {
              ASSERT_EQ(got.mask[at], missing ? 1 : 0);
            }
          }
        }
      }
    }
  }

  const uint64_t seed = std::random_device{}();
  std::mt19937_64 random{seed};
  std::vector<Field> fields;
  std::vector<std::shared_ptr<Store>> stores = {store::MakeMemoryStore(), store::MakeMemoryStore()};
};

TEST_F(SlotsTest, RandomSlotsHoldWhatIsGatheredElementByElement) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 40; ++round) {
    LoaderOptions options{.slots = {RandomSlot("first")}, .batch_size = 1 + random() % 9, .seed = random()};
    options.slots[0].variables.push_back(options.slots[0].group == 1 ? "c" : "a");  // one that is not static
    for (const std::string name : {"second", "third"}) {
      if (random() % 2 == 0) options.slots.push_back(RandomSlot(name));
    }
    options.shuffle = random() % 2 == 0 ? Shuffle::kBlock : Shuffle::kGlobal;
    options.threads = 2;
    if (random() % 2 == 0) options.memory_bytes = 2 << 20;
    int64_t earliest = 0;
    int64_t latest = 0;
    bool any = false;
    for (const SlotOptions& slot : options.slots) {
      const bool all_static = std::all_of(slot.variables.begin(), slot.variables.end(),
                                          [](const std::string& name) { return name == "s" || name == "t"; });
      if (all_static) continue;
      const auto [low, high] = std::minmax_element(slot.leads.begin(), slot.leads.end());
      earliest = any ? std::min(earliest, *low) : *low;
      latest = any ? std::max(latest, *high) : *high;
      any = true;
    }
    std::set<uint64_t> expected;
    for (auto sample = std::max<int64_t>(0, -earliest); sample < kTimes - latest; ++sample) {
      const bool skipped = std::any_of(options.slots.begin(), options.slots.end(), [&](const SlotOptions& slot) {
        return slot.missing.sample == MissingPolicy::Sample::kSkip && IsMissing(slot, static_cast<uint64_t>(sample));
      });
      if (!skipped) expected.insert(static_cast<uint64_t>(sample));
    }
    auto loader = TryOpenGroups(options);
    ASSERT_TRUE(loader) << loader.error().message();
    for (int epoch = 0; epoch < 2; ++epoch) {
      std::set<uint64_t> seen;
      uint64_t skipped = 0;
      for (;;) {
        const auto batch = (*loader)->Next();
        ASSERT_TRUE(batch) << batch.error().message();
        if (!*batch) break;
        ASSERT_EQ((*batch)->slots.size(), options.slots.size());
        for (size_t s = 0; s < options.slots.size(); ++s) {
          ASSERT_NO_FATAL_FAILURE(ExpectSlot(options.slots[s], (*batch)->slots[s], (*batch)->index));
        }
        for (const uint64_t sample : (*batch)->index) EXPECT_TRUE(seen.insert(sample).second);
        skipped += (*batch)->skipped;
      }
      EXPECT_EQ(seen, expected);
      EXPECT_EQ(seen.size() + skipped, (*loader)->samples());
    }
  }
}

TEST_F(SlotsTest, ABatchWithMissingValuesIsRefusedAndThoseBeforeItAreNot) {
  Field late = MakeField("late", {kTimes, 6, 10}, {2, 6, 10}, 1);
  late.values[33 * 60 + 7] = std::numeric_limits<float>::quiet_NaN();
  WriteField(stores[0], late);
  LoaderOptions options{.slots = {{.name = "x", .variables = {"late"}}, {.name = "y", .variables = {"late"}}},
                        .batch_size = 4,
                        .shuffle = Shuffle::kNone};
  options.slots[1].missing.sample = MissingPolicy::Sample::kRefuse;
  for (const uint64_t memory : {uint64_t{60} << 10, uint64_t{64} << 20}) {
    options.memory_bytes = memory;  // little: the chunks of earlier batches are not all fetched when it is found
    options.slots[1].leads = {0};
    if (memory > 1 << 20) options.slots[1].leads = {0, 5};
    const auto loader = TryOpenGroups(options);
    ASSERT_TRUE(loader) << loader.error().message();
    uint64_t batches = 0;
    auto batch = (*loader)->Next();
    for (; batch && *batch; batch = (*loader)->Next()) ++batches;
    ASSERT_FALSE(batch);
    EXPECT_EQ(batches, memory > 1 << 20 ? 7u : 8u);  // sample 28 meets it through lead 5, 33 through lead 0
    EXPECT_EQ(batch.error().code(), ErrorCode::kPreconditionFailed);
    EXPECT_THAT(batch.error().message(), HasSubstr("variable 'late' has missing values at position 33, and 'y'"));
    EXPECT_FALSE((*loader)->Next());
  }
}

TEST_F(SlotsTest, AStaticFieldIsFetchedOnce) {
  LoaderOptions options{.slots = {{.name = "x", .variables = {"a"}}, {.name = "oro", .variables = {"s"}}}};
  options.batch_size = 4;
  const auto loader = TryOpenGroups(options);
  ASSERT_TRUE(loader) << loader.error().message();
  for (int epoch = 0; epoch < 3; ++epoch) ReadEpoch(**loader);
  const uint64_t rows = (kTimes + FieldOf("a").chunk_shape[0] - 1) / FieldOf("a").chunk_shape[0];
  EXPECT_EQ((*loader)->stats().chunks_fetched, rows + 6);  // 2 x 3 chunks of s
}

TEST_F(SlotsTest, WhatDoesNotGoTogetherIsRefused) {
  const auto refused = [&](const std::vector<SlotOptions>& slots) {
    const auto loader = TryOpenGroups({.slots = slots});
    EXPECT_FALSE(loader);
    return loader ? std::string() : std::string(loader.error().message());
  };
  EXPECT_THAT(refused({{.name = "x", .variables = {"s"}}}), HasSubstr("has no dimension 'time'"));
  EXPECT_THAT(refused({{.name = "x", .variables = {"a"}}, {.name = "x", .variables = {"b"}}}),
              HasSubstr("two slots are named 'x'"));
  EXPECT_THAT(refused({{.name = "x", .variables = {"a"}, .dtype = nd::DataType::kInt16}}), HasSubstr("float32"));
  EXPECT_THAT(refused({{.name = "x", .variables = {"a"}, .dtype = nd::DataType::kBool}}), HasSubstr("bfloat16"));
  EXPECT_THAT(refused({{.name = "x", .variables = {"a"}}, {.name = "y", .variables = {}}}), HasSubstr("'y'"));
  EXPECT_THAT(refused({{.name = "x", .variables = {"a", "c"}}}), HasSubstr("there is no variable 'c'"));
  Field other = MakeField("d", {kTimes + 1, 3, 4}, {5, 3, 4}, 1);
  WriteField(stores[1], other);
  EXPECT_THAT(refused({{.name = "x", .variables = {"a"}}, {.name = "y", .variables = {"d"}, .group = 1}}),
              HasSubstr("differ along 'time': 40 and 41"));
}

TEST_F(SlotsTest, GroupsWhoseTimesDifferAreRefusedAndTheGapsOfEachAreKept) {
  const std::vector<SlotOptions> slots = {{.name = "x", .variables = {"a"}, .leads = {-1, 0}},
                                          {.name = "y", .variables = {"c"}, .leads = {1}, .group = 1}};
  for (int g = 0; g < 2; ++g) {
    Field time{.name = "time", .shape = {kTimes}, .chunk_shape = {kTimes}, .dims = {"time"}};
    for (int i = 0; i < kTimes; ++i) time.values.push_back(static_cast<float>(i + g));
    time.attributes = R"({"units":"hours since 2000-01-01"})";
    WriteField(stores[g], time);
  }
  const auto loader = TryOpenGroups({.slots = slots});
  ASSERT_FALSE(loader);
  EXPECT_THAT(loader.error().message(), HasSubstr("from 2000-01-01T01:00:00 to 2000-01-02T16:00:00 in 40 steps"));
  ASSERT_TRUE(stores[1]->Delete("time/zarr.json", {}, {}));
  ASSERT_TRUE(zarr::CreateGroup(
      *stores[0], "", {.attributes_json = R"({"seamount":{"sample_dim":"time","segments":[[0,10],[10,40]]}})"}, true,
      {}));
  ASSERT_TRUE(zarr::CreateGroup(
      *stores[1], "", {.attributes_json = R"({"seamount":{"sample_dim":"time","segments":[[0,25],[25,40]]}})"}, true,
      {}));
  LoaderOptions options{.slots = slots, .shuffle = Shuffle::kNone};
  auto open = TryOpenGroups(options);
  ASSERT_TRUE(open) << open.error().message();
  std::vector<uint64_t> expected;
  for (uint64_t i = 1; i < 39; ++i) {
    if (i != 9 && i != 10 && i != 24 && i != 25) expected.push_back(i);
  }
  std::vector<uint64_t> seen;
  for (auto batch = (*open)->Next(); batch && *batch; batch = (*open)->Next()) {
    seen.insert(seen.end(), (*batch)->index.begin(), (*batch)->index.end());
  }
  EXPECT_EQ(seen, expected);
  // Either group that is replaced ends it.
  ASSERT_TRUE(zarr::CreateGroup(*stores[1], "", {.attributes_json = R"({"title":"another"})"}, true, {}));
  const auto batch = (*open)->Next();
  ASSERT_FALSE(batch);
  EXPECT_THAT(batch.error().message(), HasSubstr("were replaced"));
}

}  // namespace
}  // namespace seamount::loader
