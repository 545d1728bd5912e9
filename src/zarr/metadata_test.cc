#include "zarr/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "nd/data_type.h"
#include "zarr/codecs/half.h"
#include "zarr/fill_value.h"

namespace seamount::zarr {
namespace {

using testing::HasSubstr;

std::string Message(const Result<ArrayMetadata>& result) { return result ? "" : result.error().ToString(); }

std::string V3(std::string_view type = "\"float32\"", std::string_view fill = "0", std::string_view more = "") {
  return R"({"zarr_format":3,"node_type":"array","shape":[10,20],"data_type":)" + std::string(type) +
         R"(,"chunk_grid":{"name":"regular","configuration":{"chunk_shape":[5,5]}},)"
         R"("chunk_key_encoding":{"name":"default","configuration":{"separator":"/"}},"fill_value":)" +
         std::string(fill) + R"(,"codecs":[{"name":"bytes","configuration":{"endian":"little"}}])" + std::string(more) +
         "}";
}

std::string V2(std::string_view dtype = "\"<f4\"", std::string_view fill = "null", std::string_view order = "C",
               std::string_view compressor = "null") {
  return R"({"zarr_format":2,"shape":[10,20],"chunks":[5,5],"dtype":)" + std::string(dtype) + R"(,"fill_value":)" +
         std::string(fill) + R"(,"order":")" + std::string(order) + R"(","filters":null,"compressor":)" +
         std::string(compressor) + "}";
}

TEST(HalfTest, EveryHalfGoesToDoubleAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const bool nan = (half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0;
    if (!nan) {
      ASSERT_EQ(HalfFromDouble(DoubleFromHalf(half)), half);
    }
  }
  EXPECT_EQ(HalfFromDouble(65519.9), 0x7bff);
  EXPECT_EQ(HalfFromDouble(65520), 0x7c00);
  EXPECT_EQ(HalfFromDouble(2049), 0x6800);  // a tie, to even
  EXPECT_EQ(HalfFromDouble(1e-9), 0);
}

TEST(MetadataV3Test, ReadsAndWritesTheSame) {
  const auto metadata = ParseArrayMetadataV3(
      V3("\"float32\"", "\"NaN\"", R"(,"dimension_names":["lat",null],"attributes":{"a":{"b":[1,NaN]}})"));
  ASSERT_TRUE(metadata) << metadata.error().ToString();
  EXPECT_EQ(metadata->shape, (std::vector<uint64_t>{10, 20}));
  EXPECT_EQ(metadata->dimension_names, (std::vector<std::string>{"lat", ""}));
  EXPECT_EQ(metadata->attributes_json, R"({"a":{"b":[1,"NaN"]}})");
  const std::string text = SerializeArrayMetadataV3(*metadata);
  const auto again = ParseArrayMetadataV3(text);
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(SerializeArrayMetadataV3(*again), text);
}

TEST(MetadataV3Test, ShardsAreReadInsideOut) {
  std::string text = V3();
  const std::string inner = R"([{"name":"bytes","configuration":{"endian":"little"}}])";
  text.replace(text.rfind(inner), inner.size(),
               R"([{"name":"sharding_indexed","configuration":{"chunk_shape":[1,5],"codecs":)" + inner +
                   R"(,"index_codecs":[{"name":"bytes","configuration":{"endian":"little"}},"crc32c"]}}])");
  const auto metadata = ParseArrayMetadataV3(text);
  ASSERT_TRUE(metadata) << metadata.error().ToString();
  EXPECT_EQ(metadata->chunk_shape, (std::vector<uint64_t>{1, 5}));
  EXPECT_EQ(metadata->shard_shape, (std::vector<uint64_t>{5, 5}));
  EXPECT_FALSE(metadata->shard_index_at_start);
}

TEST(MetadataV3Test, RefusesWithTheFieldsName) {
  EXPECT_THAT(Message(ParseArrayMetadataV3("")), HasSubstr("not valid JSON"));
  EXPECT_THAT(Message(ParseArrayMetadataV3("[]")), HasSubstr("not a JSON object"));
  EXPECT_THAT(Message(ParseArrayMetadataV3("{}")), HasSubstr("zarr_format"));
  EXPECT_THAT(Message(ParseArrayMetadataV3(std::string(100'000, '['))), HasSubstr("deeper than 64"));
  EXPECT_THAT(Message(ParseArrayMetadataV3(V3("\"strings\"", "\"\""))), HasSubstr("data type \"strings\""));
  EXPECT_THAT(Message(ParseArrayMetadataV3(V3("\"int8\"", "128"))), HasSubstr("fill_value 128"));
  EXPECT_THAT(Message(ParseArrayMetadataV3(V3("\"uint8\"", "-1"))), HasSubstr("fill_value -1"));
  EXPECT_THAT(Message(ParseArrayMetadataV3(V3("\"int32\"", "0.5"))), HasSubstr("fill_value 0.5"));
  EXPECT_THAT(Message(ParseArrayMetadataV3(V3("\"float32\"", "1e39"))), HasSubstr("fill_value 1e+39"));
  EXPECT_THAT(Message(ParseArrayMetadataV3(V3("\"float32\"", "\"0x7fc0\""))), HasSubstr("fill_value"));
  EXPECT_THAT(Message(ParseArrayMetadataV3(V3("\"complex64\"", "[1]"))), HasSubstr("fill_value"));
  EXPECT_THAT(Message(ParseArrayMetadataV3(V3("\"float32\"", "0", R"(,"x":1)"))), HasSubstr("extension \"x\""));
  EXPECT_TRUE(ParseArrayMetadataV3(V3("\"float32\"", "0", R"(,"x":{"must_understand":false})")));
}

TEST(MetadataV2Test, ByteOrderAndFortranOrderBecomeCodecsAndGoBack) {
  const std::string blosc = R"({"id":"blosc","cname":"zstd","clevel":1,"shuffle":1,"blocksize":0})";
  const auto metadata =
      ParseArrayMetadataV2(V2("\">f4\"", "\"NaN\"", "F", blosc), R"({"_ARRAY_DIMENSIONS":["y","x"],"units":"K"})");
  ASSERT_TRUE(metadata) << metadata.error().ToString();
  ASSERT_EQ(metadata->codecs.size(), 3U);
  EXPECT_EQ(metadata->codecs[0].configuration_json, R"({"order":[1,0]})");
  EXPECT_EQ(metadata->codecs[1].configuration_json, R"({"endian":"big"})");
  EXPECT_EQ(metadata->codecs[2].name, "blosc");
  EXPECT_EQ(metadata->dimension_names, (std::vector<std::string>{"y", "x"}));
  EXPECT_EQ(metadata->attributes_json, R"({"units":"K"})");
  EXPECT_EQ(metadata->separator, '.');
  const auto documents = SerializeArrayMetadataV2(*metadata);
  ASSERT_TRUE(documents);
  EXPECT_THAT(documents->zarray, testing::AllOf(HasSubstr("\">f4\""), HasSubstr("\"F\""), HasSubstr("\"NaN\"")));
  const auto again = ParseArrayMetadataV2(documents->zarray, documents->zattrs);
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(SerializeArrayMetadataV2(*again)->zarray, documents->zarray);
  EXPECT_EQ(SerializeArrayMetadataV2(*again)->zattrs, documents->zattrs);
}

TEST(MetadataV2Test, FillValuesThatAreNullOrBase64) {
  const auto null = ParseArrayMetadataV2(V2("\"<f4\"", "null"), "{}");
  ASSERT_TRUE(null);
  EXPECT_TRUE(null->fill_value_null);
  EXPECT_THAT(SerializeArrayMetadataV2(*null)->zarray, HasSubstr("\"fill_value\": null"));
  const auto base64 = ParseArrayMetadataV2(V2("\">i4\"", "\"AAAAKg==\""), "{}");
  ASSERT_TRUE(base64) << base64.error().ToString();
  int32_t value = 0;
  std::memcpy(&value, base64->fill_value.data(), sizeof(value));
  EXPECT_EQ(value, 42);
}

TEST(MetadataV2Test, RefusesWithTheFieldsName) {
  EXPECT_THAT(Message(ParseArrayMetadataV2(V2("\"<M8[eon]\""), "{}")), HasSubstr("<M8[eon]"));
  EXPECT_THAT(Message(ParseArrayMetadataV2(V2("[[\"a\",\"|O\"]]"), "{}")), HasSubstr("objects"));
  EXPECT_THAT(Message(ParseArrayMetadataV2(V2("\"|f4\""), "{}")), HasSubstr("|f4"));
  EXPECT_THAT(Message(ParseArrayMetadataV2(V2("\"<f4\"", "0", "C", R"({"id":"pcodec"})"), "{}")), HasSubstr("pcodec"));
  EXPECT_THAT(Message(ParseArrayMetadataV2(V2("\"<f4\"", "0", "K"), "{}")), HasSubstr("\"order\""));
  EXPECT_THAT(Message(ParseArrayMetadataV2(V2(), "[]")), HasSubstr(".zattrs"));
}

TEST(MetadataV2Test, WhatV2CannotSayIsRefused) {
  ArrayMetadata metadata;
  metadata.format = 2;
  metadata.shape = metadata.chunk_shape = {2, 3, 4};
  metadata.codecs = {{"transpose", R"({"order":[1,0,2]})"}};
  EXPECT_THAT(SerializeArrayMetadataV2(metadata).error().message(), HasSubstr("orders C and F"));
  metadata.codecs = *CodecsFromName("zstd", metadata.data_type, /*checksum=*/true);
  EXPECT_THAT(SerializeArrayMetadataV2(metadata).error().message(), HasSubstr("crc32c"));
}

TEST(CodecsFromNameTest, KnowsTheNamesAndSaysThem) {
  for (const char* name : {"none", "zstd", "zstd:19", "gzip:9", "blosc-lz4", "blosc-zstd:1", "blosc-blosclz:3"}) {
    EXPECT_TRUE(CodecsFromName(name, nd::DataType::kFloat64, true)) << name;
  }
  for (const char* name : {"", "zstd:0", "zstd:x", "blosc-", "blosc-lz4:10", "none:1", "zst"}) {
    EXPECT_FALSE(CodecsFromName(name, nd::DataType::kFloat64, false)) << name;
  }
  EXPECT_THAT(CodecsFromName("blosc-zst", nd::DataType::kInt8, false).error().message(), HasSubstr("blosc-zstd"));
}

TEST(CheckArrayMetadataTest, NamesWhatIsWrong) {
  ArrayMetadata metadata;
  metadata.shape = {10};
  metadata.chunk_shape = {5};
  EXPECT_TRUE(CheckArrayMetadata(metadata));
  auto bad = metadata;
  bad.shard_shape = {12};
  EXPECT_THAT(CheckArrayMetadata(bad).error().message(), HasSubstr("multiple of the chunk shape"));
  bad = metadata;
  bad.attributes_json = "[1]";
  EXPECT_THAT(CheckArrayMetadata(bad).error().message(), HasSubstr("attributes"));
  bad = metadata;
  bad.fill_value = Bytes::Copy("abc");
  EXPECT_THAT(CheckArrayMetadata(bad).error().message(), HasSubstr("fill value"));
  bad = metadata;
  bad.chunk_shape = {1};
  bad.shape = {uint64_t{1} << 60};
  EXPECT_THAT(CheckArrayMetadata(bad).error().message(), HasSubstr("2^56 chunks"));
}

}  // namespace
}  // namespace seamount::zarr
