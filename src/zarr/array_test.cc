#include "zarr/array.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "store/memory/memory_store.h"
#include "zarr/chunk_grid.h"

namespace seamount::zarr {
namespace {

struct Layout {
  const char* name;
  int format;
  const char* codecs;
  bool checksum;
  std::optional<Index> shard;
  bool index_at_start;
};

const Layout kLayouts[] = {
    {"plain", 3, "none", false, std::nullopt, false},
    {"zstd", 3, "zstd", true, std::nullopt, false},
    {"lz4", 3, "blosc-lz4", false, std::nullopt, false},
    {"v2", 2, "blosc-zstd:1", false, std::nullopt, false},
    {"shards", 3, "blosc-zstd:1", false, Index{6, 8, 10}, false},
    {"shards_index_first", 3, "none", true, Index{3, 4, 10}, true},
};

ArrayMetadata MetadataOf(const Layout& layout, DataType type) {
  ArrayMetadata metadata;
  metadata.format = layout.format;
  metadata.data_type = type;
  metadata.shape = {11, 13, 17};
  metadata.chunk_shape = {3, 4, 5};
  metadata.shard_shape = layout.shard;
  metadata.shard_index_at_start = layout.index_at_start;
  metadata.codecs = *CodecsFromName(layout.codecs, type, layout.checksum);
  metadata.dimension_names = {"time", "lat", "lon"};
  metadata.attributes_json = R"({"units":"m/s"})";
  Buffer fill(SizeOf(type));
  std::memset(fill.data(), 7, fill.size());
  metadata.fill_value = std::move(fill);
  return metadata;
}

Box RandomBox(std::mt19937& random, const Index& shape) {
  Box box;
  for (const uint64_t size : shape) {
    const uint64_t origin = random() % size;
    box.origin.push_back(origin);
    box.shape.push_back(random() % (size - origin + 1));
  }
  return box;
}

// The definition: one element at a time.
template <class F>
void ForEachElement(const Box& box, const Index& shape, F body) {
  size_t position = 0;
  for (const Index& index : IndicesOf(box)) body(position++, LinearIndex(index, shape));
}

class ArrayModelTest : public testing::TestWithParam<Layout> {};

TEST_P(ArrayModelTest, RandomBoxesAgreeWithAPlainBuffer) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::shared_ptr<Store> store = store::MakeMemoryStore();
  exec::ThreadPool pool(3);
  auto array = Array::Create(store, "a/uwnd", MetadataOf(GetParam(), DataType::kFloat32), false, {});
  ASSERT_TRUE(array) << array.error().ToString();
  const Index shape = (*array)->metadata().shape;
  std::vector<uint32_t> model(CountOf(shape), 0x07070707);
  for (int round = 0; round < 60; ++round) {
    const Box box = RandomBox(random, shape);
    std::vector<uint32_t> values(CountOf(box.shape));
    exec::ThreadPool* const threads = round % 2 == 0 ? &pool : nullptr;
    if (round % 3 == 0) {
      for (auto& value : values) value = random() % 1000;
      const auto written = (*array)->WriteRegion(box, std::as_bytes(std::span(values)), threads, {});
      ASSERT_TRUE(written) << written.error().ToString();
      ForEachElement(box, shape, [&](size_t i, size_t at) { model[at] = values[i]; });
    }
    std::fill(values.begin(), values.end(), 0xbadbad);
    const auto read = (*array)->ReadRegion(box, std::as_writable_bytes(std::span(values)), threads, {});
    ASSERT_TRUE(read) << read.error().ToString();
    ForEachElement(box, shape, [&](size_t i, size_t at) { ASSERT_EQ(values[i], model[at]) << "round " << round; });
  }
  // Another Array sees the same through the metadata alone.
  auto again = Array::Open(store, "a/uwnd", {});
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ((*again)->metadata().dimension_names, (*array)->metadata().dimension_names);
  EXPECT_EQ((*again)->metadata().attributes_json, R"({"units":"m/s"})");
  std::vector<uint32_t> all(model.size());
  ASSERT_TRUE((*again)->ReadRegion({{0, 0, 0}, shape}, std::as_writable_bytes(std::span(all)), &pool, {}));
  EXPECT_EQ(all, model);
}

INSTANTIATE_TEST_SUITE_P(Layouts, ArrayModelTest, testing::ValuesIn(kLayouts),
                         [](const auto& parameters) { return parameters.param.name; });

}  // namespace
}  // namespace seamount::zarr
