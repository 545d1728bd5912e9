// The protocol's corners that clients rely on, and what is refused rather than passed over.
#include "auth/jwt.h"
#include "auth/service_account_key.h"
#include "server/sqlite.h"
#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

class ProtocolTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    MakeBucket("winds");
  }
  Json Metadata(const std::string& name) { return Admin("GET", "/storage/v1/b/winds/o/" + name).json(); }
};

// Google's Go library takes 308 for a redirect, and says so.
TEST_F(ProtocolTest, ResumableUploadWithoutStatus308) {
  const Answer start = Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=x", "null\n");
  ASSERT_EQ(start.status, 200) << start.body;
  const Answer sent =
      Admin("PUT", start.header("location"), "abc", {{"Content-Range", "bytes 0-2/*"}, {"X-GUploader-No-308", "yes"}});
  EXPECT_EQ(sent.status, 200);
  EXPECT_EQ(sent.header("X-Http-Status-Code-Override"), "308");
  EXPECT_EQ(sent.header("Range"), "bytes=0-2");
}

// As google-cloud-storage sends it: what the caller said at the start, what the library computed at the end.
TEST_F(ProtocolTest, EveryChecksumGivenMustFit) {
  const std::string right = "crc32c=" + base::Crc32cToBase64(base::Crc32c(base::AsBytes(std::string("abc"))));
  const Answer start =
      Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=x", R"({"crc32c":"AAAAAA=="})");
  EXPECT_EQ(Admin("PUT", start.header("location"), "abc", {{"x-goog-hash", right}}).status, 400);
  EXPECT_EQ(Get("winds", "x").status, 404);
  EXPECT_EQ(Admin("PUT", "/winds/x", "abc", {{"x-goog-hash", right}, {"x-goog-hash", "md5=AAAA"}}).status, 400);
  EXPECT_EQ(Admin("PUT", "/winds/x", "abc", {{"x-goog-hash", right}}).status, 200);
}

// Our own mount sends parts so: what is composed of them has no MD5 either.
TEST_F(ProtocolTest, WhoNeedsNoMd5GetsNone) {
  const std::string content(300'000, 'c');
  const std::pair<std::string, std::string> none = {"x-seamount-md5", "none"};
  const std::string media = "/upload/storage/v1/b/winds/o?uploadType=media&name=";
  const std::string multipart = "--b\r\n\r\n{\"name\":\"multipart\"}\r\n--b\r\n\r\n" + content + "\r\n--b--";
  ASSERT_EQ(Admin("POST", media + "media", content, {none}).status, 200);
  ASSERT_EQ(Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=multipart", multipart,
                  {none, {"Content-Type", "multipart/related; boundary=b"}})
                .status,
            200);
  ASSERT_EQ(Admin("PUT", "/winds/xml", content, {none}).status, 200);
  const std::string session =
      Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=resumable", "{}", {none})
          .header("location");
  ASSERT_EQ(Admin("PUT", session, content.substr(0, 262'144), {{"Content-Range", "bytes 0-262143/300000"}}).status,
            308);
  const uint16_t port = server_->port();
  server_.reset();  // the session is known by what was kept of it
  Start(port);
  ASSERT_EQ(Admin("PUT", session, content.substr(262'144), {{"Content-Range", "bytes 262144-299999/300000"}}).status,
            200);
  for (const char* name : {"media", "multipart", "xml", "resumable"}) {
    const Json now = Metadata(name);
    EXPECT_FALSE(now.contains("md5Hash")) << name;
    EXPECT_EQ(now["crc32c"], base::Crc32cToBase64(base::Crc32c(base::AsBytes(content)))) << name;
    EXPECT_TRUE(Get("winds", name).body == content) << name;
  }
  // Who gives one to be checked does need it.
  const Answer both = Admin("POST", media + "x", "abc", {none, {"x-goog-hash", "md5=kAFQmDzST7DWlj99KOF/cg=="}});
  EXPECT_EQ(both.status, 400);
  EXPECT_NE(both.body.find("X-Seamount-Md5"), std::string::npos) << both.body;
  ASSERT_EQ(Admin("POST", media + "x", "abc", {{"x-goog-hash", "md5=kAFQmDzST7DWlj99KOF/cg=="}}).status, 200);
  EXPECT_EQ(Metadata("x")["md5Hash"], "kAFQmDzST7DWlj99KOF/cg==");
}

TEST_F(ProtocolTest, NullInAPatchRemoves) {
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  const std::string path = "/storage/v1/b/winds/o/x";
  const std::string set = R"({"cacheControl":"no-store","contentType":"text/plain","metadata":{"a":"1","b":"2"}})";
  ASSERT_EQ(Admin("PATCH", path, set).status, 200);
  ASSERT_EQ(Admin("PATCH", path, R"({"cacheControl":null,"metadata":{"a":null}})").status, 200);
  EXPECT_FALSE(Metadata("x").contains("cacheControl"));
  EXPECT_EQ(Metadata("x")["metadata"], (Json{{"b", "2"}}));
  ASSERT_EQ(Admin("PATCH", path, R"({"metadata":null})").status, 200);
  EXPECT_FALSE(Metadata("x").contains("metadata"));
  EXPECT_EQ(Metadata("x")["contentType"], "text/plain");
  // PUT is the whole of it: what it leaves out is gone.
  ASSERT_EQ(Admin("PATCH", path, set).status, 200);
  ASSERT_EQ(Admin("PUT", path, R"({"contentType":"text/x"})").status, 200);
  EXPECT_FALSE(Metadata("x").contains("metadata"));
  EXPECT_FALSE(Metadata("x").contains("cacheControl"));
  EXPECT_EQ(Metadata("x")["contentType"], "text/x");
}

TEST_F(ProtocolTest, MetadataThatGrowsPatchByPatchIsLimited) {
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  const std::string value(5'000, 'v');
  ASSERT_EQ(Admin("PATCH", "/storage/v1/b/winds/o/x", Json{{"metadata", {{"a", value}}}}.dump()).status, 200);
  EXPECT_EQ(Admin("PATCH", "/storage/v1/b/winds/o/x", Json{{"metadata", {{"b", value}}}}.dump()).status, 400);
  EXPECT_EQ(Metadata("x")["metageneration"], "2");
}

TEST_F(ProtocolTest, WhatBecomesHeadersIsOfASizeThatClientsTake) {
  const std::string path = "/storage/v1/b/winds/o/x";
  Json metadata;
  for (int i = 0; i < 100; ++i) metadata["k" + std::to_string(i)] = "v";
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  ASSERT_EQ(Admin("PATCH", path, Json{{"metadata", metadata}}.dump()).status, 200);
  const Answer got = Get("winds", "x");
  EXPECT_LT(got.headers.entries().size(), 100u);
  EXPECT_EQ(Metadata("x")["metadata"].size(), 100u);  // all of it
  for (const char* field : {"contentType", "cacheControl", "contentLanguage"}) {
    EXPECT_EQ(Admin("PATCH", path, Json{{field, std::string(1024, 'x')}}.dump()).status, 200) << field;
    EXPECT_EQ(Admin("PATCH", path, Json{{field, std::string(1025, 'x')}}.dump()).status, 400) << field;
  }
}

TEST_F(ProtocolTest, WhatIsComposedHasTheTypeThatWasGiven) {
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  const Answer plain = Admin("POST", "/storage/v1/b/winds/o/y/compose", R"({"sourceObjects":[{"name":"x"}]})");
  ASSERT_EQ(plain.status, 200) << plain.body;
  EXPECT_FALSE(plain.json().contains("contentType"));
  EXPECT_EQ(plain.json()["timeFinalized"], plain.json()["timeCreated"]);
  EXPECT_EQ(Get("winds", "y").header("content-type"), "");
  EXPECT_EQ(Metadata("x")["contentType"], "application/octet-stream");
}

TEST_F(ProtocolTest, WrongDigestsHaveTheirCodeInTheXmlApi) {
  const Answer wrong = Admin("PUT", "/winds/x", "hello", {{"Content-MD5", "eV8yArF8trw9S3cdjGyerw=="}});
  EXPECT_EQ(wrong.status, 400);
  EXPECT_NE(wrong.body.find("<Code>BadDigest</Code>"), std::string::npos) << wrong.body;
  for (const char* md5 : {"!", "AAAA", "5d41402abc4b2a76b9719d911017c592"}) {  // the last is hexadecimal
    const Answer invalid = Admin("PUT", "/winds/x", "hello", {{"Content-MD5", md5}});
    EXPECT_EQ(invalid.status, 400);
    EXPECT_NE(invalid.body.find("<Code>InvalidDigest</Code>"), std::string::npos) << invalid.body;
  }
  EXPECT_EQ(Get("winds", "x").status, 404);
}

TEST_F(ProtocolTest, WhatIsNotFollowedIsRefused) {
  ASSERT_EQ(Put("winds", "x", "kept").status, 200);
  const std::string upload = "/upload/storage/v1/b/winds/o?uploadType=media&name=y";
  const std::string object = "/storage/v1/b/winds/o/x";
  struct Row {
    std::string method, path, body;
    HeaderList headers;
  };
  const std::vector<Row> rows = {
      {"POST", upload + "&kmsKeyName=k", "1", {}},
      {"POST", upload + "&predefinedAcl=publicRead", "1", {}},
      {"POST", upload, "1", {{"x-goog-encryption-algorithm", "AES256"}}},
      {"GET", "/storage/v1/b/winds/o?matchGlob=*.nc", "", {}},
      {"GET", "/storage/v1/b/winds/o?softDeleted=true", "", {}},
      {"GET", object + "?softDeleted=true&generation=1", "", {}},
      {"PATCH", object, R"({"temporaryHold":true})", {}},
      {"PATCH", object, R"({"retention":{"mode":"Locked"}})", {}},
      {"PATCH", object, R"({"customTime":"yesterday"})", {}},
      {"POST", object + "/rewriteTo/b/winds/o/y", R"({"kmsKeyName":"k"})", {}},
      {"POST", object + "/rewriteTo/b/winds/o/y?destinationKmsKeyName=k", "", {}},
      {"POST", "/storage/v1/b/winds/o/y/compose", R"({"sourceObjects":[{"name":"x"}],"deleteSourceObjects":true})", {}},
      {"POST", "/storage/v1/b", R"({"name":"versioned","versioning":{"enabled":true}})", {}},
      {"POST", "/storage/v1/b", R"({"name":"kept-long","retentionPolicy":{"retentionPeriod":"9"}})", {}},
      {"POST", "/storage/v1/b?enableObjectRetention=true", R"({"name":"locked"})", {}},
      // In the XML API these would set rights or compose; taken for an upload they would overwrite the object.
      {"PUT", "/winds/x?acl", "<AccessControlList/>", {}},
      {"PUT", "/winds/x?compose", "<ComposeRequest/>", {}},
      {"PUT", "/winds/x", "1", {{"x-goog-acl", "public-read"}}},
      {"GET", "/winds?versioning", "", {}},
  };
  for (const Row& row : rows) {
    std::optional<std::string> body;
    if (row.method != "GET") body = row.body;
    const Answer answer = Admin(row.method, row.path, body, row.headers);
    EXPECT_EQ(answer.status, 400) << row.method << " " << row.path << " " << row.body << ": " << answer.body;
  }
  EXPECT_EQ(Get("winds", "x").body, "kept");
  EXPECT_EQ(Get("winds", "y").status, 404);
  EXPECT_EQ(Admin("GET", "/storage/v1/b").json()["items"].size(), 1u);
  // What says no more than is so anyway passes.
  EXPECT_EQ(Admin("GET", "/storage/v1/b/winds/o?matchGlob=&softDeleted=false").status, 200);
  EXPECT_EQ(Admin("POST", upload + "&predefinedAcl=projectPrivate&userProject=p&projection=full", "1").status, 200);
  const std::string plain = R"({"name":"plain","billing":{"requesterPays":false},"versioning":{"enabled":false}})";
  EXPECT_EQ(Admin("POST", "/storage/v1/b", plain).status, 200);
  EXPECT_EQ(Admin("PATCH", object, R"({"temporaryHold":false,"kind":"storage#object","acl":[]})").status, 200);
}

TEST_F(ProtocolTest, BucketPreconditionsAndPages) {
  MakeBucket("aa-bucket");
  EXPECT_EQ(Admin("DELETE", "/storage/v1/b/aa-bucket?ifMetagenerationMatch=7").status, 412);
  EXPECT_EQ(Admin("GET", "/storage/v1/b/aa-bucket?ifMetagenerationNotMatch=1").status, 304);
  const Json page = Admin("GET", "/storage/v1/b?maxResults=1").json();
  ASSERT_EQ(page["items"].size(), 1u);
  EXPECT_EQ(page["items"][0]["name"], "aa-bucket");
  const Json rest = Admin("GET", "/storage/v1/b?maxResults=1&pageToken=" + page.value("nextPageToken", "")).json();
  EXPECT_EQ(rest["items"][0]["name"], "winds");
  EXPECT_FALSE(rest.contains("nextPageToken"));
  EXPECT_EQ(Admin("DELETE", "/storage/v1/b/aa-bucket?ifMetagenerationMatch=1").status, 204);
}

TEST_F(ProtocolTest, ConditionsByEtagAndDate) {
  const std::string old = Put("winds", "x", "1").json()["etag"];
  ASSERT_EQ(Put("winds", "x", "2").status, 200);
  const std::string etag = Metadata("x")["etag"];
  const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
  EXPECT_EQ(Get("winds", "x", {{"If-Match", quoted(etag)}}).status, 200);
  EXPECT_EQ(Get("winds", "x", {{"If-Match", etag}}).header("etag"), etag);
  EXPECT_EQ(Get("winds", "x", {{"If-Match", quoted(old)}}).status, 412);
  EXPECT_EQ(Get("winds", "x", {{"If-None-Match", quoted(old) + ", " + quoted(etag)}}).status, 304);
  EXPECT_EQ(Get("winds", "x", {{"If-None-Match", quoted(old)}}).status, 200);
  EXPECT_EQ(Get("winds", "x", {{"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"}}).status, 304);
  EXPECT_EQ(Get("winds", "x", {{"If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT"}}).status, 412);
  EXPECT_EQ(Get("winds", "x", {{"Range", "bytes=0-0"}, {"If-Range", quoted(old)}}).status, 200);
  EXPECT_EQ(Get("winds", "x", {{"Range", "bytes=0-0"}, {"If-Range", quoted(etag)}}).status, 206);
  EXPECT_EQ(Admin("PUT", "/winds/x", "3", {{"If-None-Match", "*"}}).status, 412);
  EXPECT_EQ(Admin("PUT", "/winds/x", "3", {{"If-Match", quoted(old)}}).status, 412);
  EXPECT_EQ(Admin("DELETE", "/storage/v1/b/winds/o/x", {}, {{"If-Match", quoted(old)}}).status, 412);
  EXPECT_EQ(Admin("PUT", "/winds/x", "3", {{"If-Match", quoted(etag)}}).status, 200);
  const Answer start =
      Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=x", "{}", {{"If-Match", quoted(etag)}});
  EXPECT_EQ(Admin("PUT", start.header("location"), "4").status, 412);
  EXPECT_EQ(Get("winds", "x").body, "3");
}

TEST_F(ProtocolTest, BatchesHoldNeitherContentNorMuch) {
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  const auto batch = [&](const std::string& line, size_t padding) {
    const std::string body = "--b\r\nContent-Type: application/http\r\n\r\n" + line + " HTTP/1.1\r\n\r\n" +
                             std::string(padding, ' ') + "\r\n--b--";
    return Admin("POST", "/batch/storage/v1", body, {{"Content-Type", "multipart/mixed; boundary=b"}});
  };
  for (const char* line :
       {"GET /storage/v1/b/winds/o/x?alt=media", "GET /storage/v1/b/winds/o/x?alt=%6dedia", "GET /winds/x",
        "POST /batch/storage/v1", "POST /token", "GET /download/storage/v1/b/winds/o/x",
        "POST /upload/storage/v1/b/winds/o?uploadType=media&name=y", "POST /v1/projects/p/serviceAccounts"})
    EXPECT_NE(batch(line, 0).body.find("HTTP/1.1 400"), std::string::npos) << line;
  EXPECT_NE(batch("GET /storage/v1/b/winds/o/x", 0).body.find("HTTP/1.1 200"), std::string::npos);
  EXPECT_EQ(batch("GET /storage/v1/b/winds/o/x", 11 << 20).status, 400);
}

TEST_F(ProtocolTest, TrailingDelimiterPrefixesComeOnce) {
  for (const char* name : {"d/", "d/1", "d/2", "e"}) ASSERT_EQ(Put("winds", name, "x").status, 200);
  std::vector<std::string> prefixes;
  std::string token;
  do {
    const Json page = Admin("GET", "/storage/v1/b/winds/o?delimiter=/&includeTrailingDelimiter=True&maxResults=1" +
                                       (token.empty() ? "" : "&pageToken=" + token))
                          .json();
    for (const Json& prefix : page.value("prefixes", Json::array())) prefixes.push_back(prefix);
    token = page.value("nextPageToken", "");
  } while (!token.empty());
  EXPECT_EQ(prefixes, std::vector<std::string>{"d/"});
}

// What a client is told by another server must be of no use here.
TEST_F(ProtocolTest, AssertionsForOtherServersAreRefused) {
  const auto key = auth::LoadServiceAccountKey(server_->admin_key_file());
  ASSERT_TRUE(key);
  const auto grant = [&](const std::string& audience, const std::string& subject, const HeaderList& headers) {
    auth::JwtClaims claims{.issuer = key->client_email, .subject = subject, .audience = audience};
    claims.issued = base::RealClock().WallNow();
    claims.expires = claims.issued + std::chrono::minutes(5);
    const auto jwt = auth::SignJwt(claims, key->private_key_id, key->private_key);
    const std::string form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + *jwt;
    return Send("POST", "/token", "", form, headers).status;
  };
  const std::string tunnel = "localhost:" + std::to_string(server_->port());
  EXPECT_EQ(grant(key->token_uri, "", {}), 200);
  EXPECT_EQ(grant(key->token_uri, key->client_email, {}), 200);
  EXPECT_EQ(grant("http://" + tunnel + "/token", "", {{"Host", tunnel}}), 200);
  EXPECT_EQ(grant("http://evil.example/token", "", {{"Host", "evil.example"}}), 400);
  EXPECT_EQ(grant("http://127.0.0.1.evil.example/token", "", {{"Host", "127.0.0.1.evil.example"}}), 400);
  EXPECT_EQ(grant(key->token_uri, "somebody@else.iam.seamount", {}), 400);
}

}  // namespace
}  // namespace seamount::server
