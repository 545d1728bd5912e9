#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "exec/thread_pool.h"
#include "nd/copy.h"
#include "store/memory/memory_store.h"
#include "zarr/array.h"

namespace seamount::zarr {
namespace {

using testing::HasSubstr;

std::string Document(const std::string& shape, const std::string& grid, const std::string& codecs) {
  return R"({"zarr_format":3,"node_type":"array","shape":)" + shape + R"(,"data_type":"int16","chunk_grid":)" + grid +
         R"(,"chunk_key_encoding":{"name":"default"},"fill_value":-1,"codecs":)" + codecs + "}";
}

std::string Inline(const std::string& shapes) {
  return R"({"name":"rectilinear","configuration":{"kind":"inline","chunk_shapes":)" + shapes + "}}";
}

const std::string kBytes = R"([{"name":"bytes","configuration":{"endian":"little"}},"crc32c"])";
const std::string kShards = R"([{"name":"sharding_indexed","configuration":{"chunk_shape":[2,3],"codecs":)" + kBytes +
                            R"(,"index_codecs":[{"name":"bytes","configuration":{"endian":"little"}}]}}])";

std::string Message(const std::string& document) {
  const auto parsed = ParseArrayMetadataV3(document);
  return parsed ? "" : parsed.error().ToString();
}

void Put(Store& store, const std::string& key, std::string bytes) {
  ASSERT_TRUE(store.Write(key, store::BytesSource(std::move(bytes)), {}, {}));
}

class RectilinearTest : public testing::Test {
 protected:
  // Rows of 4, 2, 2 and 6 (of which the array has 11), columns of 9, 3 and 6. Each unit is written as what it is: a
  // regular array of one chunk or shard.
  void Write(const std::string& codecs, const nd::Index& absent) {
    const std::vector<nd::EdgeRun> kEdges[] = {{{4, 1}, {2, 2}, {6, 1}}, {{9, 1}, {3, 1}, {6, 1}}};
    const nd::RectilinearGrid grid(kEdges);
    values_.resize(11 * 18);
    for (size_t i = 0; i < values_.size(); ++i) values_[i] = static_cast<int16_t>(i * 7 + 3);
    const nd::Box whole{{0, 0}, {11, 18}};
    for (const nd::Index& unit : nd::IndicesOf(nd::Whole(grid.shape()))) {
      const nd::Box box = grid.CellBox(unit);
      const nd::Box inside = nd::Intersection(box, whole);
      if (unit == absent) {
        const int16_t fill = -1;
        nd::FillBox(inside, std::as_bytes(std::span(&fill, 1)), whole, std::as_writable_bytes(std::span(values_)));
        continue;
      }
      std::vector<int16_t> elements(nd::Elements(box.shape), -1);
      nd::CopyBox(inside, whole, std::as_bytes(std::span(values_)), box, std::as_writable_bytes(std::span(elements)),
                  2);
      const std::string shape = "[" + std::to_string(box.shape[0]) + "," + std::to_string(box.shape[1]) + "]";
      auto metadata = ParseArrayMetadataV3(
          Document(shape, R"({"name":"regular","configuration":{"chunk_shape":)" + shape + "}}", codecs));
      ASSERT_TRUE(metadata) << metadata.error().ToString();
      auto array = Array::Create(store_, "scratch", *metadata, true, {});
      ASSERT_TRUE(array);
      auto encoded = (*array)->EncodeUnit(std::as_bytes(std::span(elements)));
      ASSERT_TRUE(encoded) << encoded.error().ToString();
      Put(*store_, "a/c/" + std::to_string(unit[0]) + "/" + std::to_string(unit[1]), std::string(encoded->view()));
    }
    Put(*store_, "a/zarr.json", Document("[11,18]", Inline("[[4,[2,2],6],[9,3,6]]"), codecs));
    auto opened = Array::Open(store_, "a", {});
    ASSERT_TRUE(opened) << opened.error().ToString();
    array_ = *std::move(opened);
  }

  void ReadEveryBox(exec::ThreadPool* pool) {
    const nd::Box whole{{0, 0}, {11, 18}};
    for (const nd::Index& from : nd::IndicesOf(nd::Whole(nd::Index{12, 19}))) {
      for (const nd::Index& size : {nd::Index{0, 0}, nd::Index{1, 1}, nd::Index{3, 5}, nd::Index{11, 18}}) {
        const nd::Box box{from, {std::min(size[0], 11 - from[0]), std::min(size[1], 18 - from[1])}};
        std::vector<int16_t> expected(nd::Elements(box.shape));
        std::vector<int16_t> got(expected.size());
        nd::CopyBox(box, whole, std::as_bytes(std::span(values_)), box, std::as_writable_bytes(std::span(expected)), 2);
        auto read = array_->ReadRegion(box, std::as_writable_bytes(std::span(got)), pool, {});
        ASSERT_TRUE(read) << read.error().ToString();
        ASSERT_EQ(got, expected);
      }
    }
  }

  std::shared_ptr<Store> store_ = store::MakeMemoryStore();
  std::unique_ptr<Array> array_;
  std::vector<int16_t> values_;
};

TEST_F(RectilinearTest, EveryBoxIsReadOutOfChunksThatDifferInSize) {
  ASSERT_NO_FATAL_FAILURE(Write(kBytes, {1, 2}));
  EXPECT_TRUE(array_->rectilinear());
  EXPECT_EQ(array_->metadata().chunk_shape, (nd::Index{6, 9}));
  ReadEveryBox(nullptr);
}

TEST_F(RectilinearTest, AndOutOfShards) {
  ASSERT_NO_FATAL_FAILURE(Write(kShards, {3, 0}));
  EXPECT_EQ(array_->metadata().chunk_shape, (nd::Index{2, 3}));
  exec::ThreadPool pool(2);
  ReadEveryBox(&pool);
}

TEST_F(RectilinearTest, ADamagedChunkIsNamed) {
  ASSERT_NO_FATAL_FAILURE(Write(kBytes, {9, 9}));
  Put(*store_, "a/c/2/1", "short");
  std::vector<int16_t> got(11 * 18);
  const auto read =
      array_->ReadRegion(nd::Whole(array_->metadata().shape), std::as_writable_bytes(std::span(got)), nullptr, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(read.error().message(), HasSubstr("a/c/2/1"));
}

TEST_F(RectilinearTest, IsReadOnlyAndSaysSo) {
  ASSERT_NO_FATAL_FAILURE(Write(kBytes, {9, 9}));
  const int16_t value = 1;
  const auto one = std::as_bytes(std::span(&value, 1));
  const auto refused = [](const auto& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(result.error().message(), HasSubstr("rectilinear"));
  };
  refused(array_->WriteRegion({{0, 0}, {1, 1}}, one, nullptr, {}));
  refused(array_->WriteUnit(nd::Index{0, 0}, one, {}));
  refused(array_->Resized({12, 18}, nullptr, {}));
  refused(array_->Fetch(nd::Index{0, 0}, {}));
}

TEST(RectilinearMetadataTest, SpellingsOfOneGrid) {
  const auto canonical = [](const std::string& grid) {
    const auto parsed = ParseArrayMetadataV3(Document("[6,7]", grid, kBytes));
    EXPECT_TRUE(parsed) << parsed.error().ToString();
    return parsed ? SerializeArrayMetadataV3(*parsed) : "";
  };
  const std::string one = canonical(Inline("[[[2,3]],[1,6]]"));
  EXPECT_EQ(canonical(Inline("[[2,2,2],[1,[6,1]]]")), one);
  EXPECT_EQ(canonical(Inline("[2,[1,6]]")), one) << "one length for all";
  EXPECT_EQ(canonical(R"({"name":"rectangular","configuration":{"chunk_shape":[2,[1,6]]}})"), one);
  EXPECT_EQ(canonical(Inline("[4,[1,6]]")), canonical(Inline("[[4,4],[1,6]]"))) << "the last chunk reaches beyond";
  EXPECT_TRUE(ParseArrayMetadataV3(Document("[0,7]", Inline("[[],[7]]"), kBytes)));
}

TEST(RectilinearMetadataTest, RefusesWhatIsNoGrid) {
  const auto message = [](const std::string& shapes) { return Message(Document("[6,7]", Inline(shapes), kBytes)); };
  EXPECT_THAT(message("[[6]]"), HasSubstr("each of the 2 dimensions"));
  EXPECT_THAT(message("[[6],[6]]"), HasSubstr("end at 6, before its size, 7"));
  for (const char* bad : {"[[6,0],[7]]", "[[6,-1],[7]]", "[[6.5],[7]]", "[\"6\",[7]]", "[[[2,3,1]],[7]]", "[[[2]],[7]]",
                          "[0,[7]]", "[[[[2,1],3]],[7]]"}) {
    EXPECT_THAT(message(bad), HasSubstr("dimension 0")) << bad;
  }
  EXPECT_THAT(message("[[[4611686018427387904,2]],[7]]"), HasSubstr("2^62"));
  EXPECT_THAT(message("[[[1,4611686018427387904]],[7]]"), testing::AnyOf(HasSubstr("2^62"), ""));
  EXPECT_THAT(Message(Document("[6,7]", R"({"name":"rectilinear","configuration":{"kind":"else"}})", kBytes)),
              HasSubstr("kind \"else\""));
  EXPECT_THAT(Message(Document("[11,18]", Inline("[[4,3,4],[18]]"), kShards)),
              HasSubstr("a shard of length 3 along dimension 0"));
  EXPECT_THAT(Message(Document("[5,3]", Inline("[[2,2,1],[3]]"), kShards)),
              HasSubstr("a shard of length 1 along dimension 0"))
      << "also where the largest is one chunk";
}

}  // namespace
}  // namespace seamount::zarr
