// Patches of the field against single elements, found by arithmetic modulo the dimension's length.
#include "loader/patches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "loader/order.h"
#include "loader/testing/fields.h"

namespace seamount::loader {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<uint64_t> PlacesAt(const Patches& patches, uint64_t samples, const EpochSeed& epoch = {}) {
  std::vector<uint64_t> places;
  for (uint64_t number = 0; number < samples; ++number) patches.AppendPlace(number, epoch, places);
  return places;
}

Result<Patches> OnALine(uint64_t length, uint64_t size, uint64_t stride, bool wrap = false) {
  return Patches::Make({.dims = {{"x", size, stride, wrap}}}, std::vector<uint64_t>{length});
}

TEST(PatchesTest, AGridReachesEveryPosition) {
  EXPECT_THAT(PlacesAt(*OnALine(10, 4, 4), 3), ElementsAre(0, 4, 6));  // the last one ends with the dimension
  EXPECT_THAT(PlacesAt(*OnALine(8, 4, 4), 2), ElementsAre(0, 4));
  EXPECT_THAT(PlacesAt(*OnALine(10, 4, 2), 4), ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(PlacesAt(*OnALine(10, 2, 5), 2), ElementsAre(0, 5));  // positions are left out anyway
  EXPECT_THAT(PlacesAt(*OnALine(10, 4, 4, true), 3), ElementsAre(0, 4, 8));
  EXPECT_THAT(PlacesAt(*OnALine(3, 3, 3), 1), ElementsAre(0));
  const auto two = Patches::Make({.dims = {{"y", 2, 2, false}, {"x", 3, 3, false}}}, std::vector<uint64_t>{4, 6});
  EXPECT_EQ(two->per_position(), 4u);
  EXPECT_THAT(PlacesAt(*two, 5), ElementsAre(0, 0, 0, 3, 2, 0, 2, 3, 0, 0));
  EXPECT_EQ(two->Text(), "y 2 of 4 by 2, x 3 of 6 by 3");
}

// Computed by an independent Python program from the description in patches.h.
TEST(PatchesTest, RandomPlacesAreGolden) {
  const auto patches =
      Patches::Make({.dims = {{"y", 5, 5, false}, {"x", 8, 8, true}}, .random = 2}, std::vector<uint64_t>{20, 30});
  ASSERT_EQ(patches->per_position(), 2u);
  EXPECT_THAT(PlacesAt(*patches, 4, {7, 3}), ElementsAre(11, 14, 11, 0, 7, 5, 8, 19));
  EXPECT_NE(PlacesAt(*patches, 4, {7, 3}), PlacesAt(*patches, 4, {7, 4}));
  EXPECT_NE(PlacesAt(*patches, 4, {7, 3}), PlacesAt(*patches, 4, {8, 3}));
  std::set<uint64_t> ys;
  std::set<uint64_t> xs;
  const auto many = PlacesAt(*patches, 3000);
  for (size_t i = 0; i < many.size(); i += 2) ys.insert(many[i]), xs.insert(many[i + 1]);
  EXPECT_EQ(*ys.rbegin(), 15u);
  EXPECT_EQ(ys.size(), 16u);
  EXPECT_EQ(xs.size(), 30u);
}

TEST(PatchesTest, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(OnALine(3, 4, 1).error().message(), HasSubstr("'x' has 3 positions, and a patch 4"));
  EXPECT_THAT(OnALine(3, 1, 0).error().message(), HasSubstr("stride 0"));
  EXPECT_THAT(OnALine(uint64_t{1} << 40, 1, 1).error().message(), HasSubstr("2^27"));
  const auto at = [](std::vector<std::vector<uint64_t>> places) {
    return Patches::Make({.dims = {{"x", 4, 4, false}}, .at = std::move(places)}, std::vector<uint64_t>{10});
  };
  EXPECT_THAT(PlacesAt(*at({{6}, {1}}), 3), ElementsAre(6, 1, 6));
  EXPECT_NE(at({{6}, {1}})->Text(), at({{6}, {2}})->Text());
  EXPECT_THAT(at({{7}}).error().message(), HasSubstr("at position 7 of 'x' reaches beyond its 10 positions"));
  EXPECT_THAT(at({{1, 2}}).error().message(), HasSubstr("a place of 2 numbers"));
}

struct PatchLoaderTest : public testing::Test {
  void SetUp() override {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto chunk = [&](uint64_t extent) { return 1 + random() % extent; };
    fields.push_back(MakeField("a", {kTimes, 9, 12}, {chunk(6), chunk(9), chunk(12)}, random()));
    fields.push_back(MakeField("b", {kTimes, 9, 12}, {chunk(6), chunk(9), chunk(12)}, random()));
    fields.push_back(MakeField("fine", {kTimes, 18, 24}, {chunk(6), chunk(18), chunk(24)}, random()));
    fields.push_back(MakeField("oro", {9, 12}, {chunk(9), chunk(12)}, random()));
    fields[0].chunk_shape = {2, 3, 4};
    fields[0].shard_shape = std::vector<uint64_t>{4, 6, 12};
    fields[3].dims = {"lat", "lon"};
    for (const Field& field : fields) WriteField(store, field);
  }

  const Field& FieldOf(const std::string& name) const {
    return *std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; });
  }

  PatchOptions RandomPatches() {
    PatchOptions patches;
    if (random() % 4 > 0) patches.dims.push_back({"lon", 1 + random() % 12, 1 + random() % 12, random() % 2 == 0});
    if (patches.dims.empty() || random() % 3 > 0) patches.dims.push_back({"lat", 1 + random() % 9, 1 + random() % 9});
    if (random() % 3 == 0) patches.random = 1 + random() % 3;
    if (random() % 4 == 0) {
      for (int i = 0; i < 2; ++i) {
        patches.at.emplace_back();
        for (const auto& dim : patches.dims) {
          const uint64_t length = dim.name == "lat" ? 9 : 12;
          patches.at.back().push_back(random() % (dim.wrap ? length : length - dim.size + 1));
        }
      }
      patches.random = 0;
    }
    return patches;
  }

  LoaderOptions RandomOptions() {
    LoaderOptions options{.slots = {{.name = "x", .variables = {"a", "oro"}, .leads = {-1, 0}},
                                    {.name = "y", .variables = {"b"}, .leads = {2}, .dtype = nd::DataType::kFloat64},
                                    {.name = "z", .variables = {"fine"}, .patch_scale = 2},
                                    {.name = "all", .variables = {"b"}, .patch_scale = 0}},
                          .batch_size = 1 + random() % 20,
                          .seed = random()};
    while (options.slots.size() > 1 && random() % 2 == 0) options.slots.pop_back();
    options.patches = RandomPatches();
    constexpr Shuffle kShuffles[] = {Shuffle::kNone, Shuffle::kBlock, Shuffle::kGlobal};
    options.shuffle = kShuffles[random() % 3];
    options.threads = 2;
    if (random() % 2 == 0) options.memory_bytes = 2 << 20;
    return options;
  }

  // One element of a sample's patch.
  static float Element(const Field& field, uint64_t position, const std::map<std::string, uint64_t>& begin,
                       std::vector<uint64_t> index) {
    uint64_t linear = 0;
    for (size_t d = 0, f = 0; d < field.dims.size(); ++d) {
      const uint64_t at = field.dims[d] == "time" ? position : index[f++];
      const auto from = begin.find(field.dims[d]);
      linear = linear * field.shape[d] + (from == begin.end() ? at : (from->second + at) % field.shape[d]);
    }
    return field.values[linear];
  }

  void ExpectBatch(const LoaderOptions& options, const Loader& loader, const Batch& batch) const {
    for (size_t s = 0; s < options.slots.size(); ++s) {
      const SlotOptions& slot = options.slots[s];
      size_t at = 0;
      for (size_t i = 0; i < batch.index.size(); ++i) {
        std::map<std::string, uint64_t> begin;
        std::vector<uint64_t> shape =
            slot.patch_scale == 2 ? std::vector<uint64_t>{18, 24} : std::vector<uint64_t>{9, 12};
        for (size_t p = 0; p < options.patches.dims.size() && slot.patch_scale > 0; ++p) {
          const auto& dim = options.patches.dims[p];
          begin[dim.name] = batch.patch[i * options.patches.dims.size() + p] * slot.patch_scale;
          shape[dim.name == "lat" ? 0 : 1] = dim.size * slot.patch_scale;
        }
        ASSERT_EQ(loader.slots()[s].field_shape, shape);
        for (const int64_t lead : slot.leads) {
          for (const std::string& name : slot.variables) {
            for (uint64_t y = 0; y < shape[0]; ++y) {
              for (uint64_t x = 0; x < shape[1]; ++x, ++at) {
                const float stored =
                    Element(FieldOf(name), batch.index[i] + static_cast<uint64_t>(lead), begin, {y, x});
                const float value = slot.dtype == nd::DataType::kFloat64
                                        ? static_cast<float>(reinterpret_cast<const double*>(batch.slots[s].data)[at])
                                        : batch.slots[s].floats()[at];
                ASSERT_EQ(value, (stored - 2) / 4) << name << " sample " << i << " at " << y << ", " << x;
              }
            }
          }
        }
      }
    }
  }

  // The chunks of a variable that a batch's patches touch, found element by element.
  void Touch(const Field& field, const SlotOptions& slot, const LoaderOptions& options, const Batch& batch,
             std::set<std::vector<uint64_t>>& chunks) const {
    const size_t dims = options.patches.dims.size();
    for (size_t i = 0; i < batch.index.size(); ++i) {
      for (const int64_t lead : slot.leads) {
        std::vector<std::vector<uint64_t>> along(field.dims.size());
        for (size_t d = 0; d < field.dims.size(); ++d) {
          for (uint64_t at = 0; at < field.shape[d]; ++at) {
            bool inside = field.dims[d] != "time" || at == batch.index[i] + static_cast<uint64_t>(lead);
            for (size_t p = 0; p < dims; ++p) {
              if (options.patches.dims[p].name != field.dims[d]) continue;
              const uint64_t begin = batch.patch[i * dims + p];
              inside = (at + field.shape[d] - begin) % field.shape[d] < options.patches.dims[p].size;
            }
            if (inside) along[d].push_back(at / field.chunk_shape[d]);
          }
        }
        for (const uint64_t t : along[0]) {
          for (const uint64_t y : along[1]) {
            for (const uint64_t x : along[2]) chunks.insert({t, y, x});
          }
        }
      }
    }
  }

  static constexpr uint64_t kTimes = 20;
  const uint64_t seed = std::random_device{}();
  std::mt19937_64 random{seed};
  std::shared_ptr<Store> store = store::MakeMemoryStore();
  std::vector<Field> fields;
};

TEST_F(PatchLoaderTest, RandomPatchesHoldWhatIsGatheredElementByElement) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 40; ++round) {
    const LoaderOptions options = RandomOptions();
    const auto loader = OpenOrFail(store, options);
    ASSERT_TRUE(loader);
    const uint64_t positions = options.slots.size() == 1 ? kTimes - 1 : kTimes - 3;
    ASSERT_EQ(loader->samples(), positions * loader->patches().per_position());
    std::multiset<std::vector<uint64_t>> seen;
    for (auto batch = loader->Next();; batch = loader->Next()) {
      ASSERT_TRUE(batch) << batch.error().message();
      if (!*batch) break;
      ASSERT_NO_FATAL_FAILURE(ExpectBatch(options, *loader, **batch));
      const size_t dims = options.patches.dims.size();
      for (size_t i = 0; i < (*batch)->index.size(); ++i) {
        seen.insert({(*batch)->index[i]});
        seen.insert({(*batch)->index[i], (*batch)->patch[i * dims], (*batch)->patch[(i + 1) * dims - 1]});
      }
    }
    // Each position has its patches, and on a grid each patch comes once at each.
    for (uint64_t position = 1; position <= positions; ++position) {
      EXPECT_EQ(seen.count({position}), loader->patches().per_position());
    }
    if (options.patches.random == 0 && options.patches.at.empty()) {
      for (const auto& sample : seen) EXPECT_TRUE(sample.size() == 1 || seen.count(sample) == 1);
    }
  }
}

TEST_F(PatchLoaderTest, ResumesAtEveryBatchWithTheSamePatches) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 4; ++round) {
    LoaderOptions options = RandomOptions();
    options.batch_size = 20;
    if (round == 0) options.patches.random = 2, options.patches.at.clear();
    const auto whole = OpenOrFail(store, options);
    std::vector<LoaderState> states = {whole->state()};
    std::vector<Batch> batches;
    for (auto batch = whole->Next(); batch && *batch; batch = whole->Next()) {
      batches.push_back(**std::move(batch));
      states.push_back(whole->state());
    }
    for (size_t i = 0; i < batches.size(); i += 1 + batches.size() / 8) {
      const auto resumed = OpenOrFail(store, options);
      ASSERT_TRUE(resumed->Resume(states[i], whole->order_id()));
      const auto batch = resumed->Next();
      ASSERT_TRUE(batch && *batch);
      EXPECT_EQ((*batch)->index, batches[i].index);
      EXPECT_EQ((*batch)->patch, batches[i].patch);
      ASSERT_NO_FATAL_FAILURE(ExpectBatch(options, *resumed, **batch));
    }
  }
}

TEST_F(PatchLoaderTest, OnlyChunksThatPatchesTouchAreFetched) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 20; ++round) {
    LoaderOptions options{
        .slots = {{.name = "x", .variables = {"a"}, .leads = {0, 1}}, {.name = "y", .variables = {"b"}}},
        .batch_size = 5,
        .seed = random(),
        .select = {{4, 9}}};
    options.slots[1].leads = options.slots[0].leads;
    options.patches = RandomPatches();
    options.patches.at = {std::vector<uint64_t>(options.patches.dims.size(), 0)};
    options.patches.random = 0;
    const auto loader = OpenOrFail(store, options);
    std::set<std::vector<uint64_t>> a;
    std::set<std::vector<uint64_t>> b;
    for (auto batch = loader->Next(); batch && *batch; batch = loader->Next()) {
      Touch(FieldOf("a"), options.slots[0], options, **batch, a);
      Touch(FieldOf("b"), options.slots[1], options, **batch, b);
    }
    EXPECT_EQ(loader->stats().chunks_fetched, a.size() + b.size());
  }
}

TEST_F(PatchLoaderTest, WhatPatchesDoNotGoWithIsSaid) {
  const auto refused = [&](const PatchOptions& patches, std::vector<SlotOptions> slots = {}) {
    if (slots.empty()) slots = {{.name = "x", .variables = {"a"}}};
    const auto loader = TryOpen(store, {.slots = slots, .patches = patches});
    EXPECT_FALSE(loader);
    return loader ? std::string() : std::string(loader.error().message());
  };
  EXPECT_THAT(refused({.dims = {{"latt", 2, 2}}}), HasSubstr("did you mean 'lat'"));
  EXPECT_THAT(refused({.dims = {{"time", 2, 2}}}), HasSubstr("leads make windows there"));
  EXPECT_THAT(
      refused({.dims = {{"lat", 2, 2}}}, {{.name = "x", .variables = {"a"}}, {.name = "z", .variables = {"fine"}}}),
      HasSubstr("'fine' has 18 positions along 'lat', and 'a' 9"));
}

}  // namespace
}  // namespace seamount::loader
