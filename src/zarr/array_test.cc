#include "zarr/array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "nd/box.h"
#include "nd/data_type.h"
#include "store/memory/memory_store.h"

namespace seamount::zarr {
namespace {

struct Layout {
  const char* name;
  int format;
  const char* codecs;
  bool checksum;
  std::optional<nd::Index> shard;
  bool index_at_start;
};

const Layout kLayouts[] = {
    {"plain", 3, "none", false, std::nullopt, false},
    {"zstd", 3, "zstd", true, std::nullopt, false},
    {"lz4", 3, "blosc-lz4", false, std::nullopt, false},
    {"v2", 2, "blosc-zstd:1", false, std::nullopt, false},
    {"shards", 3, "blosc-zstd:1", false, nd::Index{6, 8, 10}, false},
    {"shards_index_first", 3, "none", true, nd::Index{3, 4, 10}, true},
};

ArrayMetadata MetadataOf(const Layout& layout, nd::DataType type) {
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
  Buffer fill(nd::SizeOf(type));
  std::memset(fill.data(), 7, fill.size());
  metadata.fill_value = std::move(fill);
  return metadata;
}

nd::Box RandomBox(std::mt19937& random, const nd::Index& shape) {
  nd::Box box;
  for (const uint64_t size : shape) {
    const uint64_t origin = random() % size;
    box.origin.push_back(origin);
    box.shape.push_back(random() % (size - origin + 1));
  }
  return box;
}

// The definition: one element at a time.
template <class F>
void ForEachElement(const nd::Box& box, const nd::Index& shape, F body) {
  size_t position = 0;
  for (const nd::Index& index : nd::IndicesOf(box)) body(position++, nd::LinearIndex(index, shape));
}

class ArrayModelTest : public testing::TestWithParam<Layout> {};

TEST_P(ArrayModelTest, RandomBoxesAgreeWithAPlainBuffer) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::shared_ptr<Store> store = store::MakeMemoryStore();
  exec::ThreadPool pool(3);
  auto array = Array::Create(store, "a/uwnd", MetadataOf(GetParam(), nd::DataType::kFloat32), false, {});
  ASSERT_TRUE(array) << array.error().ToString();
  const nd::Index shape = (*array)->metadata().shape;
  std::vector<uint32_t> model(nd::Elements(shape), 0x07070707);
  for (int round = 0; round < 60; ++round) {
    const nd::Box box = RandomBox(random, shape);
    std::vector<uint32_t> values(nd::Elements(box.shape));
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

class ArrayTest : public testing::Test {
 protected:
  std::unique_ptr<Array> Make(std::optional<nd::Index> shard, const char* codecs = "none") {
    ArrayMetadata metadata;
    metadata.data_type = nd::DataType::kUInt8;
    metadata.shape = {8};
    metadata.chunk_shape = {2};
    metadata.shard_shape = std::move(shard);
    metadata.codecs = *CodecsFromName(codecs, metadata.data_type, false);
    metadata.fill_value = Bytes::Copy("f");
    auto array = Array::Create(store_, "x", std::move(metadata), true, {});
    EXPECT_TRUE(array) << array.error().ToString();
    return *std::move(array);
  }
  std::string Read(Array& array) {
    std::string text(8, '?');
    const auto read = array.ReadRegion({{0}, {8}}, std::as_writable_bytes(std::span(text)), nullptr, {});
    return read ? text : read.error().ToString();
  }
  void Write(Array& array, uint64_t origin, std::string_view text) {
    const auto written = array.WriteRegion({{origin}, {text.size()}}, base::AsBytes(text), nullptr, {});
    ASSERT_TRUE(written) << written.error().ToString();
  }
  std::shared_ptr<Store> store_ = store::MakeMemoryStore();
};

TEST_F(ArrayTest, AbsentChunksAndShardsHoldTheFillValue) {
  auto array = Make(nd::Index{4});
  EXPECT_EQ(Read(*array), "ffffffff");
  Write(*array, 1, "a");
  EXPECT_EQ(Read(*array), "faffffff");
  EXPECT_TRUE(*array->Locate(std::vector<uint64_t>{0}, {}));
  EXPECT_FALSE(*array->Locate(std::vector<uint64_t>{1}, {}));  // empty in its shard
  EXPECT_FALSE(*array->Locate(std::vector<uint64_t>{2}, {}));  // no shard
  EXPECT_FALSE(*array->Fetch(std::vector<uint64_t>{3}, {}));
  EXPECT_FALSE(array->Locate(std::vector<uint64_t>{4}, {}));  // not in the grid
}

TEST_F(ArrayTest, AShardThatSomebodyElseOverwroteIsNoticed) {
  auto array = Make(nd::Index{4}, "zstd");
  Write(*array, 0, "abcd");
  const auto before = array->Locate(std::vector<uint64_t>{1}, {});
  ASSERT_TRUE(before);
  auto other = Array::Open(store_, "x", {});
  ASSERT_TRUE(other);
  Write(**other, 0, "wxyz");
  const auto encoded = array->Fetch(std::vector<uint64_t>{1}, {});
  ASSERT_TRUE(encoded) << encoded.error().ToString();
  std::string chunk(2, '?');
  ASSERT_TRUE(array->Decode(std::vector<uint64_t>{1}, **encoded, std::as_writable_bytes(std::span(chunk))));
  EXPECT_EQ(chunk, "yz");
}

TEST_F(ArrayTest, DamageIsDataLossThatNamesTheObject) {
  for (const auto& shard : {std::optional<nd::Index>(), std::optional<nd::Index>(nd::Index{4})}) {
    auto array = Make(shard, "zstd");
    Write(*array, 0, "abcdefgh");
    const std::string key = array->UnitKey(std::vector<uint64_t>{1});
    const Bytes good = (*store_->Read(key, {}, {}))->data;
    for (size_t at = 0; at < good.size(); ++at) {
      const Bytes shorter = good.Slice(0, at);
      ASSERT_TRUE(store_->Write(key, store::BytesSource(shorter), {}, {}));
      auto fresh = Array::Open(store_, "x", {});
      EXPECT_THAT(Read(**fresh), testing::AllOf(testing::StartsWith("DataLoss"), testing::HasSubstr(key)));
      const auto fetched = (*fresh)->Fetch(std::vector<uint64_t>{2}, {});
      if (shard) {
        EXPECT_FALSE(fetched);
      }
      std::string damaged(good.view());
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      ASSERT_TRUE(store_->Write(key, store::BytesSource(damaged), {}, {}));
      fresh = Array::Open(store_, "x", {});
      (void)Read(**fresh);  // whatever comes out, nothing is touched outside
    }
  }
}

TEST_F(ArrayTest, WritersOfTheSameChunkLoseNothing) {
  for (const auto& shard : {std::optional<nd::Index>(), std::optional<nd::Index>(nd::Index{8})}) {
    store_ = store::MakeMemoryStore();
    auto array = Make(shard);
    exec::ThreadPool pool(8);
    exec::ParallelFor(pool, 8, [&](size_t i) {
      const std::string letter(1, static_cast<char>('a' + i));
      Write(*array, i, letter);
    });
    EXPECT_EQ(Read(*array), "abcdefgh");
  }
}

TEST_F(ArrayTest, BoxesThatDoNotFitAreRefused) {
  auto array = Make(std::nullopt);
  std::string text(8, '?');
  const auto into = std::as_writable_bytes(std::span(text));
  for (const nd::Box& box :
       {nd::Box{{0}, {9}}, nd::Box{{9}, {0}}, nd::Box{{4}, {5}}, nd::Box{{0, 0}, {8, 1}}, nd::Box{{0}, {7}}}) {
    const auto read = array->ReadRegion(box, into, nullptr, {});
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST_F(ArrayTest, AShardTooLargeToBeHeldIsAnError) {
  ArrayMetadata metadata;
  metadata.data_type = nd::DataType::kUInt8;
  metadata.shape = {uint64_t{1} << 50};
  metadata.chunk_shape = {uint64_t{1} << 30};
  metadata.shard_shape = nd::Index{uint64_t{1} << 50};
  auto array = Array::Create(store_, "s", std::move(metadata), true, {});
  ASSERT_TRUE(array) << array.error().ToString();
  const auto written = (*array)->WriteRegion({{5}, {1}}, base::AsBytes("x"), nullptr, {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(written.error().message(), testing::HasSubstr("16 GiB"));
}

TEST_F(ArrayTest, ScalarsAndEmptyDimensions) {
  for (const nd::Index& shape : {nd::Index{}, nd::Index{0}, nd::Index{3, 0}}) {
    ArrayMetadata metadata;
    metadata.data_type = nd::DataType::kUInt8;
    metadata.shape = shape;
    metadata.chunk_shape = nd::Index(shape.size(), 1);
    auto array = Array::Create(store_, "s", std::move(metadata), true, {});
    ASSERT_TRUE(array) << array.error().ToString();
    std::string text(nd::Elements(shape), 'x');
    const nd::Box all{nd::Index(shape.size(), 0), shape};
    ASSERT_TRUE((*array)->WriteRegion(all, base::AsBytes(text), nullptr, {}));
    std::string back(text.size(), '?');
    ASSERT_TRUE((*array)->ReadRegion(all, std::as_writable_bytes(std::span(back)), nullptr, {}));
    EXPECT_EQ(back, text);
  }
}

// Neighbours in a shard come by one request, whatever the order they are asked in; a replaced shard is noticed.
TEST(FetchMany, MergesNeighboursOfAShard) {
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ArrayMetadata metadata;
  metadata.data_type = nd::DataType::kInt32;
  metadata.shape = {16};
  metadata.chunk_shape = {2};
  metadata.shard_shape = nd::Index{8};
  metadata.codecs = *CodecsFromName("none", metadata.data_type, true);
  auto array = Array::Create(store, "a", metadata, false, {});
  ASSERT_TRUE(array);
  const auto write = [&](int32_t first) {
    std::vector<int32_t> values(16);
    for (int32_t i = 0; i < 16; ++i) values[static_cast<size_t>(i)] = first + i;
    ASSERT_TRUE((*array)->WriteRegion({{0}, {16}}, std::as_bytes(std::span(values)), nullptr, {}));
  };
  write(100);
  const std::vector<nd::Index> chunks = {{2}, {7}, {1}, {3}, {5}};
  const auto check = [&](int32_t first) {
    auto fetched = (*array)->FetchMany(chunks, {});
    ASSERT_TRUE(fetched) << fetched.error().ToString();
    for (size_t i = 0; i < chunks.size(); ++i) {
      std::vector<int32_t> values(2);
      ASSERT_TRUE(fetched->chunks[i]);
      ASSERT_TRUE((*array)->Decode(chunks[i], *fetched->chunks[i], std::as_writable_bytes(std::span(values))));
      EXPECT_EQ(values[0], first + 2 * static_cast<int32_t>(chunks[i][0]));
    }
    if (first != 100) return;
    EXPECT_EQ(fetched->requests, 3U) << "1, 2 and 3 lie together, 5 and 7 apart";
  };
  check(100);
  EXPECT_EQ((*array)->UnitNumber(nd::Index{3}), 0U);
  EXPECT_EQ((*array)->UnitNumber(nd::Index{4}), 1U);
  auto other = Array::Open(store, "a", {});  // its writes are not known to the first one's index
  ASSERT_TRUE(other);
  std::swap(*array, *other);
  write(1000);
  std::swap(*array, *other);
  check(1000);
}

// Indices of 16 MiB: four are kept, and the first is read anew after the fifth.
TEST(ShardIndices, AreKeptUpTo64MiBHoweverLargeTheyAre) {
  constexpr uint64_t kChunks = uint64_t{1} << 20;
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ArrayMetadata metadata;
  metadata.data_type = nd::DataType::kUInt8;
  metadata.shape = {5 * kChunks};
  metadata.chunk_shape = {1};
  metadata.shard_shape = nd::Index{kChunks};
  metadata.shard_index_codecs = {{"bytes", R"({"endian":"little"})"}};
  auto array = Array::Create(store, "a", metadata, false, {});
  ASSERT_TRUE(array) << array.error().ToString();
  const std::string index(16 * kChunks, '\0');  // every chunk: no bytes, at the beginning
  for (uint64_t shard = 0; shard < 5; ++shard) {
    ASSERT_TRUE(store->Write((*array)->UnitKey(nd::Index{shard}), store::BytesSource(index), {}, {}));
    EXPECT_TRUE(*(*array)->Locate(nd::Index{shard * kChunks}, {}));
  }
  ASSERT_TRUE(store->Delete((*array)->UnitKey(nd::Index{0}), {}, {}));
  ASSERT_TRUE(store->Delete((*array)->UnitKey(nd::Index{4}), {}, {}));
  EXPECT_FALSE(*(*array)->Locate(nd::Index{1}, {}));
  EXPECT_TRUE(*(*array)->Locate(nd::Index{4 * kChunks + 1}, {})) << "the one used last is kept";
}

TEST(Array, AtTheRootOfAStoreIsNamedSo) {
  const auto array = Array::Open(store::MakeMemoryStore(), "", {});
  EXPECT_THAT(array.error().ToString(), testing::HasSubstr("opening the Zarr array at the root:"));
}

}  // namespace
}  // namespace seamount::zarr
