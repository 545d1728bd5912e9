// The XML API: listings, copies, uploads in parts, errors.
#include <pugixml.hpp>

#include "server/testing/server_fixture.h"
#include "server/xml_text.h"

namespace seamount::server {
namespace {

class XmlApiTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    MakeBucket("winds");
  }
  // Names and, in brackets, prefixes of all pages; `next` names the element that tells how to go on.
  std::vector<std::string> List(const std::string& query, const char* next, const std::string& parameter) {
    std::vector<std::string> seen;
    std::string token;
    do {
      const Answer page =
          Admin("GET", "/winds?" + query + (token.empty() ? "" : "&" + parameter + "=" + base::PercentEncode(token)));
      EXPECT_EQ(page.status, 200) << page.body;
      pugi::xml_document document;
      EXPECT_TRUE(document.load_string(page.body.c_str())) << page.body;
      const pugi::xml_node root = document.child("ListBucketResult");
      for (const auto& object : root.children("Contents")) seen.emplace_back(object.child_value("Key"));
      for (const auto& prefix : root.children("CommonPrefixes"))
        seen.push_back("[" + std::string(prefix.child_value("Prefix")));
      token = root.child_value(next);
      EXPECT_EQ(std::string(root.child_value("IsTruncated")), token.empty() ? "false" : "true");
    } while (!token.empty());
    return seen;
  }
  std::string StartParts(const std::string& name, const HeaderList& headers = {}) {
    const Answer start = Admin("POST", "/winds/" + name + "?uploads", "", headers);
    EXPECT_EQ(start.status, 200) << start.body;
    pugi::xml_document document;
    EXPECT_TRUE(document.load_string(start.body.c_str()));
    return document.child("InitiateMultipartUploadResult").child_value("UploadId");
  }
  std::string PutPart(const std::string& name, const std::string& id, int number, const std::string& content) {
    const Answer put =
        Admin("PUT", "/winds/" + name + "?partNumber=" + std::to_string(number) + "&uploadId=" + id, content);
    EXPECT_EQ(put.status, 200) << put.body;
    return put.header("etag");
  }
  Answer Finish(const std::string& name, const std::string& id, const std::vector<std::pair<int, std::string>>& parts,
                const HeaderList& headers = {}) {
    std::string body = "<CompleteMultipartUpload>\n";
    for (const auto& [number, etag] : parts)
      body += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" + etag + "</ETag></Part>\n";
    return Admin("POST", "/winds/" + name + "?uploadId=" + id, body + "</CompleteMultipartUpload>", headers);
  }
};

TEST_F(XmlApiTest, ListsInPages) {
  for (const char* name : {"a", "b&<>", "d/1", "d/2", "d0", "e/f/g", "z"})
    ASSERT_EQ(Admin("PUT", "/winds/" + base::PercentEncode(name), "x").status, 200);
  using Names = std::vector<std::string>;
  const Names folded = {"a", "b&<>", "[d/", "d0", "[e/", "z"};
  EXPECT_EQ(List("list-type=2&delimiter=/&max-keys=1", "NextContinuationToken", "continuation-token"), folded);
  EXPECT_EQ(List("delimiter=/&max-keys=1", "NextMarker", "marker"), folded);
  EXPECT_EQ(List("list-type=2&start-after=d/1&prefix=d", "NextContinuationToken", "continuation-token"),
            (Names{"d/2", "d0"}));
  EXPECT_EQ(List("marker=d/1&prefix=d", "NextMarker", "marker"), (Names{"d/2", "d0"}));
  EXPECT_EQ(List("list-type=2&encoding-type=url&prefix=b", "NextContinuationToken", "continuation-token"),
            (Names{"b%26%3C%3E"}));
}

TEST_F(XmlApiTest, ErrorsAreXml) {
  const Answer absent = Admin("GET", "/winds/absent");
  EXPECT_EQ(absent.status, 404);
  EXPECT_NE(absent.body.find("<Code>NoSuchKey</Code>"), std::string::npos) << absent.body;
  ASSERT_EQ(Admin("PUT", "/winds/x", "1").status, 200);
  const Answer range = Admin("GET", "/winds/x", {}, {{"Range", "bytes=5-"}});
  EXPECT_EQ(range.status, 416);
  EXPECT_NE(range.body.find("<Code>InvalidRange</Code>"), std::string::npos) << range.body;
  EXPECT_EQ(Send("GET", "/winds", "").status, 401);
}

TEST_F(XmlApiTest, Copies) {
  MakeBucket("other");
  ASSERT_EQ(Admin("PUT", "/other/a%20b", "text", {{"x-goog-meta-k", "v"}, {"Content-Type", "text/x"}}).status, 200);
  ASSERT_EQ(Admin("PUT", "/winds/copy", "", {{"x-goog-copy-source", "/other/a%20b"}}).status, 200);
  const Answer got = Admin("GET", "/winds/copy");
  EXPECT_EQ(got.body, "text");
  EXPECT_EQ(got.header("x-goog-meta-k"), "v");
  EXPECT_EQ(got.header("content-type"), "text/x");
  EXPECT_EQ(Admin("PUT", "/winds/copy", "", {{"x-goog-copy-source", "other/absent"}}).status, 404);
  const HeaderList guarded = {{"x-goog-copy-source", "other/a%20b"}, {"x-goog-if-generation-match", "0"}};
  EXPECT_EQ(Admin("PUT", "/winds/copy", "", guarded).status, 412);
  // Reading the source needs its own right.
  const std::string writer = TokenOf(MakeAccount("writer", "winds", "roles/storage.objectUser"));
  EXPECT_EQ(Send("PUT", "/winds/mine", writer, "", {{"x-goog-copy-source", "other/a%20b"}}).status, 403);
}

TEST_F(XmlApiTest, UploadsInParts) {
  const std::string id = StartParts("big", {{"Content-Type", "text/x"}, {"x-goog-meta-k", "v"}});
  const std::string one(50'000, '1');
  const std::string three(60'000, '3');
  const std::string third = PutPart("big", id, 3, three);
  PutPart("big", id, 1, "wrong" + one);
  const std::string first = PutPart("big", id, 1, one);
  PutPart("big", id, 2, "left out" + one);
  EXPECT_EQ(Get("winds", "big").status, 404);
  EXPECT_EQ(Finish("big", id, {{1, third}, {3, third}}).status, 400);
  EXPECT_EQ(Finish("big", id, {{3, third}, {1, first}}).status, 400);
  EXPECT_EQ(Finish("big", id, {{1, first}, {4, third}}).status, 400);
  const uint16_t port = server_->port();
  server_.reset();
  Start(port);  // parts survive
  const Answer done = Finish("big", id, {{1, first}, {3, third}});
  ASSERT_EQ(done.status, 200) << done.body;
  const Answer got = Get("winds", "big");
  EXPECT_TRUE(got.body == one + three);
  EXPECT_EQ(got.header("content-type"), "text/x");
  EXPECT_EQ(got.header("x-goog-meta-k"), "v");
  EXPECT_EQ(got.header("x-goog-hash"), "crc32c=" + base::Crc32cToBase64(base::Crc32c(base::AsBytes(got.body))));
  EXPECT_EQ(Finish("big", id, {{1, first}, {3, third}}).header("etag"), done.header("etag"));  // asked again
  // No content but the object's is left, once the next start has looked.
  server_.reset();
  Start(port);
  size_t blobs = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() + "/served/blobs"))
    blobs += entry.is_regular_file();
  EXPECT_EQ(blobs, 1u);
}

TEST_F(XmlApiTest, PartsOfOthersAndAbortedUploads) {
  const std::string id = StartParts("big");
  const std::string etag = PutPart("big", id, 1, "one");
  const std::string other = TokenOf(MakeAccount("other-writer", "winds", "roles/storage.objectUser"));
  EXPECT_EQ(Send("PUT", "/winds/big?partNumber=2&uploadId=" + id, other, "x").status, 404);
  EXPECT_EQ(Admin("PUT", "/winds/name?partNumber=2&uploadId=" + id, "x").status, 404);
  EXPECT_EQ(Admin("PUT", "/winds/big?partNumber=0&uploadId=" + id, "x").status, 400);
  EXPECT_EQ(Admin("PUT", "/winds/big?partNumber=10001&uploadId=" + id, "x").status, 400);
  EXPECT_EQ(Admin("PUT", "/upload/storage/v1/b/winds/o?upload_id=" + id, "x").status, 404);
  EXPECT_EQ(Finish("big", id, {{1, etag}}, {{"x-goog-if-generation-match", "7"}}).status, 412);
  EXPECT_EQ(Admin("DELETE", "/winds/big?uploadId=" + id).status, 204);
  EXPECT_EQ(Finish("big", id, {{1, etag}}).status, 404);
}

TEST(XmlText, ReadsOnlyItsOwnDocument) {
  const auto read = [](const std::string& parts) {
    return ParseFinishUpload("<CompleteMultipartUpload>" + parts + "</CompleteMultipartUpload>");
  };
  const auto good = read("<Part><ETag>&quot;e1&quot;</ETag><PartNumber>2</PartNumber></Part>");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->at(0).number, 2u);
  EXPECT_EQ(good->at(0).etag, "e1");
  EXPECT_FALSE(read(""));
  EXPECT_FALSE(read("<Part><PartNumber>-1</PartNumber></Part>"));
  EXPECT_FALSE(ParseFinishUpload("<Other/>"));
  EXPECT_FALSE(ParseFinishUpload("<CompleteMultipartUpload><Part>"));
  EXPECT_FALSE(ParseFinishUpload(""));
}

TEST(XmlText, EscapesWhatXmlCannotHold) {
  EXPECT_EQ(XmlEscape("a<b>&\x01\xff ü"), "a&lt;b&gt;&amp;&#x1;? ü");
  EXPECT_EQ(XmlEscape("\uffff\ufffe\ufffd\x7f\t\x1f"), "&#xFFFF;&#xFFFE;\ufffd\x7f\t&#x1F;");
}

// A name is never taken for another one: it is read as it is, or not at all.
TEST(XmlText, NamesThatXmlCannotHoldAreListedAsTheyAre) {
  for (const std::string name : {"a&b", "x\uffff", "x\x01y", "\ufffe"}) {
    Listing listing;
    listing.objects.push_back({.name = name});
    pugi::xml_document page;
    ASSERT_TRUE(page.load_string(XmlListText({.bucket = "winds"}, listing).c_str())) << name;
    EXPECT_EQ(page.child("ListBucketResult").child("Contents").child_value("Key"), name);
    ASSERT_TRUE(page.load_string(XmlListText({.bucket = "winds", .url_encoded = true}, listing).c_str())) << name;
    EXPECT_EQ(page.child("ListBucketResult").child("Contents").child_value("Key"), base::PercentEncode(name));
  }
}

}  // namespace
}  // namespace seamount::server
