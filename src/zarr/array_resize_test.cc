#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "nd/copy.h"
#include "store/memory/memory_store.h"
#include "zarr/array.h"

namespace seamount::zarr {
namespace {

constexpr int32_t kFill = -1;

ArrayMetadata MetadataOf(int format, bool sharded, nd::Index shape) {
  ArrayMetadata metadata;
  metadata.format = format;
  metadata.data_type = nd::DataType::kInt32;
  metadata.shape = std::move(shape);
  metadata.chunk_shape = {3, 2};
  metadata.separator = format == 2 ? '.' : '/';
  if (sharded) metadata.shard_shape = nd::Index{6, 4};
  metadata.codecs = *CodecsFromName("zstd", metadata.data_type, format == 3);
  metadata.fill_value = Bytes::Copy(std::as_bytes(std::span(&kFill, 1)));
  metadata.attributes_json = R"({"units":"K"})";
  return metadata;
}

// What the array should hold, dense.
struct Model {
  nd::Index shape;
  std::vector<int32_t> values;

  void Resize(const nd::Index& to) {
    std::vector<int32_t> resized(nd::Elements(to), kFill);
    const nd::Box common = nd::Intersection(nd::Whole(shape), nd::Whole(to));
    nd::CopyBox(common, nd::Whole(shape), std::as_bytes(std::span(values)), nd::Whole(to),
                std::as_writable_bytes(std::span(resized)), sizeof(int32_t));
    shape = to;
    values = std::move(resized);
  }
};

struct Resizing : testing::TestWithParam<std::pair<int, bool>> {
  std::shared_ptr<Store> store = store::MakeMemoryStore();

  std::unique_ptr<Array> Make(nd::Index shape) {
    const auto [format, sharded] = GetParam();
    auto array = Array::Create(store, "g/a", MetadataOf(format, sharded, std::move(shape)), true, {});
    EXPECT_TRUE(array) << array.error().ToString();
    return *std::move(array);
  }
  static void Check(Array& array, const Model& model) {
    ASSERT_EQ(array.metadata().shape, model.shape);
    std::vector<int32_t> back(model.values.size(), 99);
    const auto read = array.ReadRegion(nd::Whole(model.shape), std::as_writable_bytes(std::span(back)), nullptr, {});
    ASSERT_TRUE(read) << read.error().ToString();
    EXPECT_EQ(back, model.values);
  }
};

// Whatever the sequence, what was cut off does not come to light again, and the document says the same.
TEST_P(Resizing, RandomResizesAndAppendsAreAsAModelSays) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  Model model{{4, 5}, std::vector<int32_t>(20, kFill)};
  auto array = Make(model.shape);
  int32_t next = 0;
  for (int round = 0; round < 60; ++round) {
    if (random() % 2 == 0) {
      const nd::Index to = {random() % 14, random() % 11};
      auto resized = array->Resized(to, nullptr, {});
      ASSERT_TRUE(resized) << resized.error().ToString();
      array = *std::move(resized);
      model.Resize(to);
    } else if (const size_t axis = random() % 2; model.shape[1 - axis] > 0) {
      nd::Index to = model.shape;
      to[axis] += random() % 5;
      nd::Box added = nd::Whole(to);
      added.origin[axis] = model.shape[axis];
      added.shape[axis] -= model.shape[axis];
      std::vector<int32_t> values(nd::Elements(added.shape));
      for (int32_t& value : values) value = ++next;
      auto appended = array->Appended(axis, std::as_bytes(std::span(values)), nullptr, {});
      ASSERT_TRUE(appended) << appended.error().ToString();
      array = *std::move(appended);
      model.Resize(to);
      nd::CopyBox(added, added, std::as_bytes(std::span(values)), nd::Whole(to),
                  std::as_writable_bytes(std::span(model.values)), sizeof(int32_t));
    }
    Check(*array, model);
    auto opened = Array::Open(store, "g/a", {});
    ASSERT_TRUE(opened) << opened.error().ToString();
    Check(**opened, model);
    EXPECT_EQ((*opened)->metadata().attributes_json, R"({"units":"K"})");
  }
}

TEST_P(Resizing, NothingThatIsNoChunkIsTouched) {
  auto array = Make({12, 8});
  for (const char* key : {"g/a/notes/3.2.txt", "g/a/c/9", "g/a/9.9.9", "g/ab/c/3/1", "g/a/c/03/1"}) {
    ASSERT_TRUE(store->Write(key, store::BytesSource("mine"), {}, {}));
  }
  ASSERT_TRUE(array->Resized({1, 1}, nullptr, {}));
  for (const char* key : {"g/a/notes/3.2.txt", "g/a/c/9", "g/a/9.9.9", "g/ab/c/3/1", "g/a/c/03/1"}) {
    EXPECT_TRUE(*store->Stat(key, {})) << key;
  }
}

TEST_P(Resizing, AnInterruptedAppendIsNotSeen) {
  auto array = Make({4, 5});
  auto beyond = Array::Create(store, "g/b", MetadataOf(GetParam().first, GetParam().second, {9, 5}), false, {});
  ASSERT_TRUE(beyond);
  // As if Appended had written its chunks and not the document.
  std::vector<int32_t> values(45, 7);
  ASSERT_TRUE((*beyond)->WriteRegion(nd::Whole(nd::Index{9, 5}), std::as_bytes(std::span(values)), nullptr, {}));
  const auto objects = store::ListAll(*store, {.prefix = "g/b/"}, {});
  ASSERT_TRUE(objects);
  for (const auto& object : objects->objects) {
    if (object.key.find(".z") != std::string::npos || object.key.ends_with("json")) continue;
    ASSERT_TRUE(store->Copy(object.key, "g/a" + object.key.substr(3), {}, {}));
  }
  Model model{{4, 5}, std::vector<int32_t>(20, 7)};
  Check(*array, model);
  auto resized = array->Resized({9, 5}, nullptr, {});
  ASSERT_TRUE(resized) << resized.error().ToString();
  model.Resize({9, 5});
  Check(**resized, model);
}

TEST_P(Resizing, TwoWritersAreNoticedAndWrongRequestsRefused) {
  auto array = Make({4, 5});
  ASSERT_TRUE(array->Resized({6, 5}, nullptr, {}));
  const auto late = array->Resized({8, 5}, nullptr, {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::kPreconditionFailed);
  EXPECT_THAT(late.error().ToString(), testing::HasSubstr("its shape is [6,5] by now, not [4,5]"));
  EXPECT_THAT(array->Resized({8}, nullptr, {}).error().ToString(), testing::HasSubstr("rank"));
  const std::vector<std::byte> odd(7);
  EXPECT_THAT(array->Appended(0, odd, nullptr, {}).error().ToString(), testing::HasSubstr("whole steps of 20"));
  EXPECT_THAT(array->Appended(2, odd, nullptr, {}).error().ToString(), testing::HasSubstr("no axis 2"));
}

INSTANTIATE_TEST_SUITE_P(Formats, Resizing,
                         testing::Values(std::pair(2, false), std::pair(3, false), std::pair(3, true)));

}  // namespace
}  // namespace seamount::zarr
