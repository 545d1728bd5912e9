#include "versions/manifest.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace seamount::versions {
namespace {

Chunk ChunkOf(std::string_view text) { return {DigestOf(base::AsBytes(text)), text.size()}; }

Manifest Small() {
  Manifest manifest{.name = "v1", .saved = "2026-11-28T10:00:00Z", .message = "first"};
  manifest.files = {{"a/config.json", 5, false, {ChunkOf("hello")}},
                    {"empty", 0, true, {}},
                    {"model.bin", 8, false, {ChunkOf("hello"), ChunkOf("abc")}}};
  manifest.links = {{"a/link", "../model.bin"}};
  manifest.folders = {"nothing"};
  return manifest;
}

TEST(Manifest, IsReadAsItWasWritten) {
  const auto read = ParseManifest(ManifestJson(Small()));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_TRUE(read->SameContent(Small()));
  EXPECT_EQ(read->name, "v1");
  EXPECT_EQ(read->message, "first");
  EXPECT_EQ(read->SizeBytes(), 13U);
  ASSERT_NE(read->FindFile("model.bin"), nullptr);
  EXPECT_EQ(read->FindFile("model.bin")->chunks.size(), 2U);
  EXPECT_EQ(read->FindFile("model"), nullptr);
}

std::string Refusal(const Manifest& manifest) {
  const auto read = ParseManifest(ManifestJson(manifest));
  return read ? "" : read.error().ToString();
}

TEST(Manifest, PathsThatLeadOutAreRefused) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", ".seamount-restore/x"}) {
    Manifest manifest = Small();
    manifest.files[1].path = path;
    EXPECT_TRUE(Refusal(manifest).starts_with("DataLoss")) << path;
  }
  for (const char* target : {"", "/etc/passwd", "../../x", "x/../../y", "nothing/../model.bin"}) {
    Manifest manifest = Small();
    manifest.links[0].target = target;
    EXPECT_NE(Refusal(manifest).find("leads to"), std::string::npos) << target;
  }
}

TEST(Manifest, NothingLiesBelowALinkOrAFileOrIsThereTwice) {
  Manifest manifest = Small();
  manifest.files[1].path = "a/link/x";
  EXPECT_NE(Refusal(manifest).find("lies below 'a/link'"), std::string::npos);
  manifest.files[1].path = "model.bin/x";
  EXPECT_NE(Refusal(manifest).find("lies below 'model.bin'"), std::string::npos);
  manifest.files[1].path = "nothing";
  EXPECT_NE(Refusal(manifest).find("there twice"), std::string::npos);
}

TEST(Manifest, SizesAreHeldAgainstTheChunks) {
  Manifest manifest = Small();
  manifest.files[0].size = 6;
  EXPECT_TRUE(Refusal(manifest).starts_with("DataLoss"));
  manifest.files[0].size = 4;
  EXPECT_TRUE(Refusal(manifest).starts_with("DataLoss"));
  manifest.files[0] = {"a/config.json", uint64_t{13} << 20, false, {{DigestOf({}), uint64_t{13} << 20}}};
  EXPECT_TRUE(Refusal(manifest).starts_with("DataLoss"));
}

TEST(Manifest, ANewerFormatIsSaid) {
  std::string json = ManifestJson(Small());
  json.replace(json.find(":1"), 2, ":2");
  const auto read = ParseManifest(json);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(read.error().message().find("update"), std::string::npos);
  EXPECT_FALSE(ParseManifest("[]"));
  EXPECT_FALSE(ParseManifest(std::string(100'000, '[')));
}

TEST(Manifest, NamesOfVersions) {
  for (const char* good : {"v1", "2026-11-28", "era5_v2.1+fix"}) EXPECT_TRUE(CheckName(good)) << good;
  for (const char* bad : {"", ".x", "-x", "a/b", "a b", "a@b", "\xc3\xa4"}) EXPECT_FALSE(CheckName(bad)) << bad;
  EXPECT_FALSE(CheckName(std::string(101, 'a')));
}

}  // namespace
}  // namespace seamount::versions
