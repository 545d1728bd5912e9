#include "gcs/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seamount::gcs {
namespace {

using testing::HasSubstr;

ObjectResource SampleObject() {
  ObjectResource object;
  object.info = {.key = "a//b/ü.bin",
                 .size_bytes = 1ULL << 40,
                 .generation = GenerationOf(0xFFFFFFFFFFFFFFFFULL),
                 .crc32c = 0x01020304,
                 .updated = ParseTime("2026-01-31T12:00:00.123456Z").value(),
                 .content_type = "application/x-netcdf",
                 .metadata = {{"gcsfuse_symlink_target", "x/y"}, {"empty", ""}}};
  object.bucket = "winds";
  object.metageneration = 3;
  object.created = ParseTime("2025-12-31T23:59:59Z").value();
  object.md5_base64 = "1B2M2Y8AsgTpgAmY7PhCfg==";
  object.etag = "CAE=";
  object.self_link = "http://host/storage/v1/b/winds/o/a";
  object.other = {{"cacheControl", "no-store"}};
  return object;
}

void ExpectSame(const ObjectResource& a, const ObjectResource& b) {
  EXPECT_EQ(a.info.key, b.info.key);
  EXPECT_EQ(a.info.size_bytes, b.info.size_bytes);
  EXPECT_EQ(a.info.generation, b.info.generation);
  EXPECT_EQ(a.info.crc32c, b.info.crc32c);
  EXPECT_EQ(a.info.updated, b.info.updated);
  EXPECT_EQ(a.info.content_type, b.info.content_type);
  EXPECT_EQ(a.info.metadata, b.info.metadata);
  EXPECT_EQ(a.bucket, b.bucket);
  EXPECT_EQ(a.metageneration, b.metageneration);
  EXPECT_EQ(a.created, b.created);
  EXPECT_EQ(a.md5_base64, b.md5_base64);
  EXPECT_EQ(a.etag, b.etag);
  EXPECT_EQ(a.self_link, b.self_link);
}

TEST(WireTest, ObjectsComeBackAsTheyWere) {
  const ObjectResource object = SampleObject();
  const auto back = DecodeObject(EncodeObject(object));
  ASSERT_TRUE(back) << back.error().ToString();
  ExpectSame(object, *back);
  EXPECT_EQ(back->other.at("cacheControl"), "no-store");
}

TEST(WireTest, ObjectOfTheRealService) {
  // As storage.googleapis.com answers, shortened.
  const auto object = DecodeObject(R"({"kind": "storage#object", "id": "b/hello.txt/1700000000000001",
    "name": "hello.txt", "bucket": "b", "generation": "1700000000000001", "metageneration": "1",
    "contentType": "text/plain", "storageClass": "STANDARD", "size": "5", "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==",
    "crc32c": "mnG7TA==", "etag": "CMGs=", "timeCreated": "2023-11-14T22:13:20.123Z",
    "updated": "2023-11-14T22:13:20.123Z", "timeFinalized": "2023-11-14T22:13:20.123Z", "owner": {"entity": "x"}})");
  ASSERT_TRUE(object) << object.error().ToString();
  EXPECT_EQ(object->info.size_bytes, 5u);
  EXPECT_EQ(object->info.crc32c, 0x9a71bb4cu);
  EXPECT_EQ(object->info.generation, GenerationOf(1700000000000001));
}

TEST(WireTest, AnEmptyObjectMayComeWithoutItsSize) {
  const auto object = DecodeObject(R"({"name": "x", "generation": "1"})");
  ASSERT_TRUE(object) << object.error().ToString();
  EXPECT_EQ(object->info.size_bytes, 0u);
}

TEST(WireTest, MalformedObjectsNameTheField) {
  const auto size = DecodeObject(R"({"name": "x", "generation": "1", "size": "-5"})");
  ASSERT_FALSE(size);
  EXPECT_EQ(size.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(size.error().message(), HasSubstr("'size'"));
  EXPECT_FALSE(DecodeObject(R"({"generation": "1", "size": "5"})"));
  EXPECT_FALSE(DecodeObject(R"({"name": "x", "generation": "0", "size": "5"})"));
  EXPECT_FALSE(DecodeObject(R"({"name": "x", "generation": "18446744073709551616", "size": "5"})"));
  EXPECT_FALSE(DecodeObject(R"({"name": "x", "generation": "1", "size": "5", "metadata": {"a": 1}})"));
  EXPECT_FALSE(DecodeObject(R"({"name": "x", "generation": "1", "size": "5", "crc32c": "AA=="})"));
  EXPECT_FALSE(DecodeObject("[]"));
  EXPECT_FALSE(DecodeObject("{"));
  EXPECT_FALSE(DecodeObject(""));
}

TEST(WireTest, ListsComeBackAsTheyWere) {
  const ObjectList list{.objects = {SampleObject()}, .prefixes = {"a/", "b/"}, .next_page_token = "t"};
  const auto back = DecodeList(EncodeList(list));
  ASSERT_TRUE(back) << back.error().ToString();
  ASSERT_EQ(back->objects.size(), 1u);
  ExpectSame(list.objects[0], back->objects[0]);
  EXPECT_EQ(back->prefixes, list.prefixes);
  EXPECT_EQ(back->next_page_token, "t");
  const auto empty = DecodeList(R"({"kind": "storage#objects"})");
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->objects.empty());
}

TEST(WireTest, ComposeRequestsComeBackAsTheyWere) {
  const ComposeRequest request{.sources = {{"a", GenerationOf(5)}, {"b", std::nullopt}},
                               .destination = {.content_type = "text/plain", .metadata = {{{"k", "v"}}}}};
  const auto back = DecodeCompose(EncodeCompose(request));
  ASSERT_TRUE(back) << back.error().ToString();
  ASSERT_EQ(back->sources.size(), 2u);
  EXPECT_EQ(back->sources[0].if_generation, GenerationOf(5));
  EXPECT_EQ(back->sources[1].if_generation, std::nullopt);
  EXPECT_EQ(back->destination.content_type, "text/plain");
  EXPECT_EQ(back->destination.metadata->at("k"), "v");
  EXPECT_FALSE(DecodeCompose("{}"));
}

TEST(WireTest, PatchTellsNullFromAbsent) {
  const auto patch = DecodePatch(R"({"metadata": {"gone": null, "kept": "1"}, "contentType": null})");
  ASSERT_TRUE(patch);
  EXPECT_EQ(patch->content_type, "");
  EXPECT_EQ(patch->metadata->at("gone"), std::nullopt);
  EXPECT_EQ(patch->metadata->at("kept"), "1");
  const auto back = DecodePatch(EncodePatch(*patch));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->metadata, patch->metadata);
  EXPECT_FALSE(DecodePatch("{}")->metadata);
  EXPECT_FALSE(DecodePatch("{}")->content_type);
  const auto cleared = DecodePatch(R"({"metadata": null, "cacheControl": null})");
  ASSERT_TRUE(cleared);
  EXPECT_TRUE(cleared->clears_metadata);
  EXPECT_EQ(cleared->other.at("cacheControl"), std::nullopt);
  EXPECT_EQ(EncodePatch(*cleared), R"({"cacheControl":null,"metadata":null})");
}

TEST(WireTest, RewritesComeBackAsTheyWere) {
  const RewriteStatus halfway{.total_bytes_rewritten = 5, .object_size_bytes = 10, .rewrite_token = "t"};
  EXPECT_EQ(DecodeRewrite(EncodeRewrite(halfway))->rewrite_token, "t");
  const RewriteStatus done{
      .total_bytes_rewritten = 10, .object_size_bytes = 10, .done = true, .resource = SampleObject()};
  const auto back = DecodeRewrite(EncodeRewrite(done));
  ASSERT_TRUE(back);
  ExpectSame(*back->resource, SampleObject());
  EXPECT_FALSE(DecodeRewrite(R"({"done": true})"));
  EXPECT_FALSE(DecodeRewrite(R"({"done": false})"));
}

TEST(WireTest, ErrorsComeBackAndOtherTextIsShortened) {
  const auto error = DecodeError(404, EncodeError({404, "notFound", "no such object: b/o"}));
  EXPECT_EQ(error.status, 404);
  EXPECT_EQ(error.reason, "notFound");
  EXPECT_EQ(error.message, "no such object: b/o");
  EXPECT_EQ(DecodeError(502, "<html>bad gateway\n<p>").message, "<html>bad gateway");
  EXPECT_EQ(DecodeError(500, std::string(1000, 'x')).message.size(), 200u);
  EXPECT_EQ(DecodeError(500, R"({"error": "invalid_grant"})").message, R"({"error": "invalid_grant"})");
  EXPECT_EQ(DecodeError(500, "").message, "");
}

TEST(WireTest, Times) {
  const auto time = ParseTime("2026-01-31T12:00:00.5+02:00");
  ASSERT_TRUE(time);
  EXPECT_EQ(FormatTime(*time), "2026-01-31T10:00:00.500000Z");
  EXPECT_EQ(FormatTime(base::SystemTime()), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatTime(ParseTime("1969-12-31T23:59:59.999999Z").value()), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatTime(ParseTime("2024-02-29T23:59:60Z").value()), "2024-03-01T00:00:00.000000Z");
  for (const char* bad : {"", "2026", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
                          "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "9999-01-01T00:00:00Z"}) {
    EXPECT_FALSE(ParseTime(bad)) << bad;
  }
}

TEST(WireTest, ContentRanges) {
  const auto range = ParseContentRange("bytes 0-99/1000");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->span->last, 99u);
  EXPECT_EQ(range->total, 1000u);
  EXPECT_EQ(FormatContentRange(*range), "bytes 0-99/1000");
  EXPECT_EQ(FormatContentRange(ParseContentRange("bytes */1000").value()), "bytes */1000");
  EXPECT_EQ(FormatContentRange(ParseContentRange("bytes 0-5/*").value()), "bytes 0-5/*");
  for (const char* bad : {"", "bytes", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-/5", "bytes a-b/c", "0-5/10"}) {
    EXPECT_FALSE(ParseContentRange(bad)) << bad;
  }
}

TEST(WireTest, HashesAndPaths) {
  EXPECT_EQ(Crc32cOfHashHeader("crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="), 0x9a71bb4cu);
  EXPECT_EQ(Crc32cOfHashHeader("md5=XUFAKrxLKna5cZ2REBfFkg==, crc32c=mnG7TA=="), 0x9a71bb4cu);
  EXPECT_EQ(Crc32cOfHashHeader("md5=x"), std::nullopt);
  EXPECT_EQ(Crc32cOfHashHeader(",,"), std::nullopt);
  EXPECT_EQ(ObjectPath("b", "a/b c"), "/storage/v1/b/b/o/a%2Fb%20c");
}

}  // namespace
}  // namespace seamount::gcs
