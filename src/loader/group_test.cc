// What lies around the arrays: half-written groups, data that are replaced while they are read, gaps.
#include "loader/group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loader/testing/fields.h"
#include "loader/time_axis.h"
#include "zarr/group.h"

namespace seamount::loader {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void WriteGroup(Store& store, const std::string& attributes = "{}") {
  ASSERT_TRUE(zarr::CreateGroup(store, "", {.attributes_json = attributes}, true, {}));
}

TEST(GroupNotesTest, AreReadAndWhatHasNotTheirFormIsRefused) {
  const auto notes =
      ParseGroupNotes(R"({"seamount":{"sample_dim":"t","splits":{"train":[0,40]},"segments":[[0,20],[20,60]],
                          "split_ranges":{"odd":[[0,10],[20,30]]}}})");
  ASSERT_TRUE(notes);
  EXPECT_EQ(notes->sample_dim, "t");
  EXPECT_THAT(notes->splits.at("train"), ElementsAre(Interval{0, 40}));
  EXPECT_THAT(notes->splits.at("odd"), ElementsAre(Interval{0, 10}, Interval{20, 30}));
  EXPECT_THAT(notes->segments, ElementsAre(Interval{0, 20}, Interval{20, 60}));
  for (const std::string text : {"{}", "[]", "nonsense", R"({"seamount":3})", R"({"seamount":{"segments":3}})"}) {
    const auto none = ParseGroupNotes(text);
    ASSERT_TRUE(none) << text;
    EXPECT_TRUE(none->segments.empty());
  }
  for (const std::string text :
       {R"({"seamount":{"splits":{"train":[4,3]}}})", R"({"seamount":{"splits":{"train":[-1,3]}}})",
        R"({"seamount":{"segments":[[0,20],[10,30]]}})", R"({"seamount":{"segments":[[0,"a"]]}})",
        R"({"seamount":{"split_ranges":{"odd":[[10,20],[0,5]]}}})", R"({"seamount":{"split_ranges":{"odd":[]}}})",
        R"({"seamount":{"split_ranges":{"odd":[0,5]}}})", R"({"seamount":{"split_ranges":{"odd":{"a":[0,5]}}}})"}) {
    const auto bad = ParseGroupNotes(text);
    ASSERT_FALSE(bad) << text;
    EXPECT_THAT(bad.error().message(), HasSubstr("attribute seamount.")) << text;
  }
}

TEST_F(LoaderTest, AHalfWrittenGroupIsRefused) {
  ASSERT_TRUE(store_->Write(zarr::kPrepareRecord, store::BytesSource("{}"), {}, {}));
  const auto loader = TryOpen(store_, Options());
  ASSERT_FALSE(loader);
  EXPECT_EQ(loader.error().code(), ErrorCode::kPreconditionFailed);
  EXPECT_THAT(loader.error().message(), HasSubstr("half-written"));
  WriteGroup(*store_);
  EXPECT_TRUE(TryOpen(store_, Options()));
}

TEST_F(LoaderTest, DataThatAreReplacedDoNotMix) {
  for (const bool sharded : {false, true}) {
    const auto store = std::shared_ptr<Store>(store::MakeMemoryStore());
    Field field = MakeField("f", {240, 2, 2}, {2, 2, 2}, 1);
    if (sharded) field.shard_shape = {20, 2, 2};
    std::fill(field.values.begin(), field.values.end(), 1.0F);
    WriteField(store, field);
    WriteGroup(*store);
    LoaderOptions options{.variables = {"f"}, .inputs = {-1, 0}, .batch_size = 4, .normalize = false, .threads = 2};
    options.memory_bytes = 20 << 10;  // so that not everything is in memory at once
    const auto loader = OpenOrFail(store, options);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(loader->Next());
    // As prepare --overwrite does: the group's document goes first, and comes back last.
    ASSERT_TRUE(store->Delete("zarr.json", {}, {}));
    std::fill(field.values.begin(), field.values.end(), 2.0F);
    auto array = zarr::Array::Open(store, "f", {});
    ASSERT_TRUE(array);
    ASSERT_TRUE((*array)->WriteRegion({{0, 0, 0}, field.shape}, std::as_bytes(std::span(field.values)), nullptr, {}));
    Result<std::optional<Batch>> batch = loader->Next();
    for (; batch && *batch; batch = loader->Next()) {
      for (size_t i = 0; i < (*batch)->index.size() * 8; ++i) ASSERT_EQ((*batch)->slots[0].floats()[i], 1.0F);
    }
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().code(), ErrorCode::kPreconditionFailed);
    EXPECT_THAT(batch.error().message(), HasSubstr("were replaced"));
    EXPECT_THAT(batch.error().message(), HasSubstr("not whole yet"));
    WriteGroup(*store);
    batch = loader->Next();
    ASSERT_FALSE(batch);
    EXPECT_THAT(batch.error().message(), HasSubstr("were replaced"));
    const auto again = OpenOrFail(store, options)->Next();
    ASSERT_TRUE(again && *again);
    EXPECT_EQ((*again)->slots[0].floats()[0], 2.0F);
  }
}

TEST_F(LoaderTest, DataThatAreAllInMemoryAreLookedAtOnceAnEpoch) {
  WriteGroup(*store_);
  const auto loader = OpenOrFail(store_, Options());
  ReadEpoch(*loader);
  WriteGroup(*store_, R"({"title":"another"})");
  const auto batch = loader->Next();
  ASSERT_FALSE(batch);
  EXPECT_THAT(batch.error().message(), HasSubstr("were replaced"));
}

TEST_F(LoaderTest, AChunkThatWasReplacedByWhatDoesNotDecodeIsExplained) {
  WriteGroup(*store_);
  const auto loader = OpenOrFail(store_, Options());
  ASSERT_TRUE(store_->Delete("zarr.json", {}, {}));
  for (int i = 0; i < 15; ++i) {
    ASSERT_TRUE(store_->Write("u/c/" + std::to_string(i) + "/0/0", store::BytesSource("another codec's"), {}, {}));
  }
  const auto batch = loader->Next();
  ASSERT_FALSE(batch);
  EXPECT_THAT(batch.error().message(), HasSubstr("were replaced"));
}

TEST_F(LoaderTest, WindowsDoNotReachOverGaps) {
  WriteGroup(*store_, R"({"seamount":{"sample_dim":"time","segments":[[0,20],[20,22],[22,60]]}})");
  LoaderOptions options = Options();  // leads -2 .. 3
  options.shuffle = Shuffle::kNone;
  std::vector<uint64_t> seen;
  for (const auto& index : ReadEpoch(*OpenOrFail(store_, options)).indices) {
    seen.insert(seen.end(), index.begin(), index.end());
  }
  std::vector<uint64_t> expected;
  for (uint64_t i = 2; i < 17; ++i) expected.push_back(i);
  for (uint64_t i = 24; i < 57; ++i) expected.push_back(i);
  EXPECT_EQ(seen, expected);
  options.across_gaps = true;
  EXPECT_EQ(OpenOrFail(store_, options)->samples(), 55u);
  options.across_gaps = false;
  options.inputs = {-40};
  const auto none = TryOpen(store_, options);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("across_gaps=True"));
}

TEST_F(LoaderTest, TheGroupSaysWhichDimensionSamplesRunAlong) {
  WriteGroup(*store_, R"({"seamount":{"sample_dim":"lat"}})");
  LoaderOptions options{.variables = {"u"}};
  EXPECT_EQ(OpenOrFail(store_, options)->samples(), 6u);
  options.sample_dim = "time";
  EXPECT_EQ(OpenOrFail(store_, options)->samples(), 60u);
}

TEST_F(LoaderTest, DatesSayWhichPositionsAreMeant) {
  Field time{.name = "time", .shape = {24}, .chunk_shape = {24}, .dims = {"time"}};
  for (int month = 0; month < 24; ++month) time.values.push_back(static_cast<float>(month));
  time.attributes = R"({"units":"months since 2000-01-15","calendar":"standard"})";
  WriteField(store_, time);
  const auto group = Group::Open(store_, {}, {});
  ASSERT_TRUE(group);
  const auto axis = TimeAxis::Open(*group, "time", {});
  ASSERT_TRUE(axis) << axis.error().message();
  EXPECT_EQ(*axis->Find("2000-06", "2001-02"), (Interval{5, 14}));
  EXPECT_EQ(*axis->Find("2001", "2001"), (Interval{12, 24}));
  EXPECT_EQ(axis->TextOf(13), "2001-02-15T00:00:00");
  EXPECT_EQ(axis->UnixMicroseconds()->front(), int64_t{947'894'400} * 1'000'000);
  const auto none = axis->Find("1999", "1999-12");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("it goes from 2000-01-15T00:00:00 to 2001-12-15T00:00:00"));
  EXPECT_FALSE(axis->Find("soon", "2001"));
  time.name = "plain";
  time.attributes = "{}";
  WriteField(store_, time);
  const auto plain = TimeAxis::Open(*group, "plain", {});
  ASSERT_FALSE(plain);
  EXPECT_THAT(plain.error().message(), HasSubstr("has no attribute units"));
  EXPECT_FALSE(TimeAxis::Open(*group, "u", {}));
}

TEST_F(LoaderTest, InFormat2ZeroIsMissingWhereNumbersArePacked) {
  for (const bool packed : {false, true}) {
    zarr::ArrayMetadata metadata{.format = 2, .data_type = nd::DataType::kInt16, .shape = {2}, .chunk_shape = {2}};
    metadata.fill_value = Bytes::Copy(std::as_bytes(std::span("\0", 2)));
    if (packed) metadata.attributes_json = R"({"scale_factor":0.5,"add_offset":10})";
    const auto packing = PackingOf(metadata);
    ASSERT_TRUE(packing);
    EXPECT_EQ(packing->missing.size(), packed ? 1u : 0u);
  }
}

}  // namespace
}  // namespace seamount::loader
