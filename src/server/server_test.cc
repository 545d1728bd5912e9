// What the server promises, seen by a client.
#include <sys/stat.h>

#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

TEST_F(ServerTest, AdminKeyIsPrivate) {
  struct stat info {};
  ASSERT_EQ(stat(server_->admin_key_file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(ServerTest, WritesAndReadsBack) {
  MakeBucket("winds");
  const Answer put = Put("winds", "a/b c+d%", "hello");
  ASSERT_EQ(put.status, 200) << put.body;
  const Json resource = put.json();
  EXPECT_EQ(resource["name"], "a/b c+d%");
  EXPECT_EQ(resource["size"], "5");
  EXPECT_EQ(resource["md5Hash"], "XUFAKrxLKna5cZ2REBfFkg==");
  EXPECT_EQ(resource["crc32c"], base::Crc32cToBase64(base::Crc32c(base::AsBytes("hello"))));
  EXPECT_EQ(Get("winds", "a/b c+d%").body, "hello");
  const Answer part = Get("winds", "a/b c+d%", {{"Range", "bytes=1-3"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "ell");
  EXPECT_EQ(part.header("content-range"), "bytes 1-3/5");
  EXPECT_EQ(part.header("x-goog-generation"), resource["generation"]);
  EXPECT_EQ(Get("winds", "a/b c+d%", {{"Range", "bytes=-2"}}).body, "lo");
  EXPECT_EQ(Get("winds", "a/b c+d%", {{"Range", "bytes=5-"}}).status, 416);
  EXPECT_EQ(Admin("GET", "/winds/a/b%20c%2Bd%25").body, "hello");
  EXPECT_EQ(Admin("HEAD", "/winds/a/b%20c%2Bd%25").header("content-length"), "5");
  EXPECT_EQ(Admin("DELETE", "/storage/v1/b/winds/o/a%2Fb%20c%2Bd%25").status, 204);
  EXPECT_EQ(Get("winds", "a/b c+d%").status, 404);
}

TEST_F(ServerTest, MultipartKeepsMetadataAndBinaryContent) {
  MakeBucket("winds");
  const std::string content = std::string("\r\n--x\r\n--xy\0\r", 13);
  const std::string body =
      "--frontier\r\nContent-Type: application/json\r\n\r\n"
      R"({"name":"m","metadata":{"k":"v"},"contentType":"text/x"})"
      "\r\n--frontier\r\nContent-Type: text/plain\r\n\r\n" +
      content + "\r\n--frontier--\r\n";
  const Answer put = Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=multipart", body,
                           {{"Content-Type", "multipart/related; boundary=\"frontier\""}});
  ASSERT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(put.json()["metadata"]["k"], "v");
  EXPECT_EQ(put.json()["contentType"], "text/x");
  const Answer got = Get("winds", "m");
  EXPECT_EQ(got.body, content);
  EXPECT_EQ(got.header("x-goog-meta-k"), "v");
}

TEST_F(ServerTest, RefusesWrongChecksums) {
  MakeBucket("winds");
  const std::string path = "/upload/storage/v1/b/winds/o?uploadType=media&name=x";
  EXPECT_EQ(Admin("POST", path, "hello", {{"x-goog-hash", "crc32c=AAAAAA=="}}).status, 400);
  EXPECT_EQ(Admin("POST", path, "hello", {{"Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="}}).status, 400);
  EXPECT_EQ(Get("winds", "x").status, 404);
}

TEST_F(ServerTest, Preconditions) {
  MakeBucket("winds");
  EXPECT_EQ(Put("winds", "x", "1", "&ifGenerationMatch=7").status, 412);
  const Answer first = Put("winds", "x", "1", "&ifGenerationMatch=0");
  ASSERT_EQ(first.status, 200);
  const std::string generation = first.json()["generation"];
  EXPECT_EQ(Put("winds", "x", "2", "&ifGenerationMatch=0").status, 412);
  EXPECT_EQ(Get("winds", "x").body, "1");
  const std::string path = "/storage/v1/b/winds/o/x";
  EXPECT_EQ(Admin("GET", path + "?ifGenerationNotMatch=" + generation).status, 304);
  EXPECT_EQ(Admin("GET", path + "?alt=media&ifGenerationMatch=" + generation).status, 200);
  EXPECT_EQ(Admin("GET", path + "?generation=1").status, 404);
  EXPECT_EQ(Admin("PATCH", path + "?ifMetagenerationMatch=1", R"({"metadata":{"a":"b"}})").status, 200);
  EXPECT_EQ(Admin("PATCH", path + "?ifMetagenerationMatch=1", R"({"metadata":{"a":"c"}})").status, 412);
  const Answer second = Put("winds", "x", "2", "&ifGenerationMatch=" + generation);
  ASSERT_EQ(second.status, 200);
  EXPECT_GT(std::stoull(second.json()["generation"].get<std::string>()), std::stoull(generation));
  EXPECT_EQ(Admin("DELETE", path + "?ifGenerationMatch=" + generation).status, 412);
  EXPECT_EQ(Admin("DELETE", path + "?ifGenerationMatch=" + second.json()["generation"].get<std::string>()).status, 204);
}

TEST_F(ServerTest, ListsInPagesWithPrefixes) {
  MakeBucket("winds");
  for (const char* name : {"a", "d/", "d/1", "d/2", "d0", "e/f/g", "z"}) ASSERT_EQ(Put("winds", name, "x").status, 200);
  const auto list = [&](const std::string& query) {
    std::vector<std::string> seen;
    std::string token;
    do {
      const Json page = Admin("GET", "/storage/v1/b/winds/o?" + query +
                                         (token.empty() ? "" : "&pageToken=" + base::PercentEncode(token)))
                            .json();
      for (const Json& item : page.value("items", Json::array())) seen.push_back(item["name"]);
      for (const Json& prefix : page.value("prefixes", Json::array())) seen.push_back("[" + prefix.get<std::string>());
      token = page.value("nextPageToken", "");
    } while (!token.empty());
    return seen;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(list("delimiter=/"), (Names{"a", "d0", "z", "[d/", "[e/"}));
  EXPECT_EQ(list("delimiter=/&prefix=d/"), (Names{"d/", "d/1", "d/2"}));
  EXPECT_EQ(list("delimiter=/&maxResults=1"), (Names{"a", "[d/", "d0", "[e/", "z"}));
  EXPECT_EQ(list("startOffset=d/1&endOffset=e"), (Names{"d/1", "d/2", "d0"}));
  EXPECT_EQ(list("delimiter=/&includeTrailingDelimiter=true&startOffset=b"), (Names{"d/", "d0", "z", "[d/", "[e/"}));
  EXPECT_EQ(list("maxResults=3").size(), 7u);
}

TEST_F(ServerTest, ResumableUploadGoesOnAfterRestart) {
  MakeBucket("winds");
  const std::string content(700'000, 'r');
  const Answer start = Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=big&ifGenerationMatch=0",
                             "{}", {{"X-Upload-Content-Type", "text/plain"}});
  ASSERT_EQ(start.status, 200) << start.body;
  const std::string session = start.header("location");
  const auto chunk = [&](size_t first, size_t last, const std::string& total) {
    return Admin("PUT", session, content.substr(first, last - first + 1),
                 {{"Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + total}});
  };
  EXPECT_EQ(Admin("PUT", session, "", {{"Content-Range", "bytes */*"}}).header("range"), "");
  Answer sent = chunk(0, 262'143, "*");
  EXPECT_EQ(sent.status, 308);
  EXPECT_EQ(sent.header("range"), "bytes=0-262143");
  const uint16_t port = server_->port();
  server_.reset();
  Start(port);
  EXPECT_EQ(Admin("PUT", session, "", {{"Content-Range", "bytes */*"}}).header("range"), "bytes=0-262143");
  // Overlaps what is there; a gap is not taken.
  EXPECT_EQ(chunk(600'000, 699'999, "700000").header("range"), "bytes=0-262143");
  EXPECT_EQ(chunk(200'000, 500'000, "*").header("range"), "bytes=0-500000");
  EXPECT_EQ(Get("winds", "big").status, 404);
  const Answer done = chunk(500'001, 699'999, "700000");
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(done.json()["crc32c"], base::Crc32cToBase64(base::Crc32c(base::AsBytes(content))));
  EXPECT_TRUE(done.json().contains("md5Hash"));
  EXPECT_EQ(Get("winds", "big").body, content);
  // Who missed the answer asks again.
  EXPECT_EQ(Admin("PUT", session, "", {{"Content-Range", "bytes */700000"}}).json()["generation"],
            done.json()["generation"]);
}

TEST_F(ServerTest, ComposeCopyMove) {
  MakeBucket("winds");
  MakeBucket("other");
  for (const char* part : {"one,", "two,", "three"}) ASSERT_EQ(Put("winds", part, part).status, 200);
  const Json request = {{"sourceObjects", {{{"name", "one,"}}, {{"name", "two,"}}, {{"name", "three"}}}},
                        {"destination", {{"contentType", "text/csv"}}}};
  const Answer composed = Admin("POST", "/storage/v1/b/winds/o/all/compose", request.dump());
  ASSERT_EQ(composed.status, 200) << composed.body;
  EXPECT_EQ(Get("winds", "all").body, "one,two,three");
  EXPECT_EQ(composed.json()["crc32c"], base::Crc32cToBase64(base::Crc32c(base::AsBytes("one,two,three"))));
  const Answer copied = Admin("POST", "/storage/v1/b/winds/o/all/rewriteTo/b/other/o/copy",
                              R"({"metadata":{"from":"all"},"contentType":"text/plain"})");
  ASSERT_EQ(copied.status, 200) << copied.body;
  EXPECT_EQ(copied.json()["resource"]["metadata"]["from"], "all");
  EXPECT_TRUE(copied.json()["done"]);
  EXPECT_EQ(Admin("DELETE", "/storage/v1/b/winds/o/all").status, 204);
  EXPECT_EQ(Get("other", "copy").body, "one,two,three");
  EXPECT_EQ(Admin("POST", "/storage/v1/b/other/o/copy/moveTo/o/moved", "").status, 200);
  EXPECT_EQ(Get("other", "copy").status, 404);
  EXPECT_EQ(Get("other", "moved").body, "one,two,three");
  EXPECT_EQ(Admin("DELETE", "/storage/v1/b/other").status, 409);
}

TEST_F(ServerTest, DeniesByDefault) {
  MakeBucket("winds");
  MakeBucket("other");
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  const std::string path = "/storage/v1/b/winds/o/x?alt=media";
  EXPECT_EQ(Send("GET", path, "").status, 401);
  EXPECT_EQ(Send("GET", "/storage/v1/b/nowhere/o/x", "").status, 401);
  EXPECT_EQ(Send("GET", path, "nonsense").status, 401);
  EXPECT_EQ(Send("GET", "/storage/v1/b?project=p", "").status, 401);
  const std::string nobody = TokenOf(MakeAccount("nobody", "winds", ""));
  EXPECT_EQ(Send("GET", path, nobody).status, 403);
  EXPECT_EQ(Send("POST", "/storage/v1/b?project=p", nobody, R"({"name":"mine"})").status, 403);
  EXPECT_EQ(Send("POST", "/v1/projects/lab/serviceAccounts", nobody, R"({"accountId":"another"})").status, 403);
  EXPECT_EQ(Send("GET", "/winds/x", nobody).status, 403);

  const std::string reader = TokenOf(MakeAccount("reader", "winds", "roles/storage.objectViewer"));
  EXPECT_EQ(Send("GET", path, reader).body, "1");
  EXPECT_EQ(Send("DELETE", "/storage/v1/b/winds/o/x", reader).status, 403);
  EXPECT_EQ(Send("GET", "/storage/v1/b/other/o", reader).status, 403);
  const std::string upload = "/upload/storage/v1/b/winds/o?uploadType=media&name=";
  EXPECT_EQ(Send("POST", upload + "y", reader, "2").status, 403);

  const std::string creator = TokenOf(MakeAccount("creator", "winds", "roles/storage.objectCreator"));
  EXPECT_EQ(Send("POST", upload + "new", creator, "2").status, 200);
  EXPECT_EQ(Send("POST", upload + "new", creator, "3").status, 403);  // overwriting is deleting
  EXPECT_EQ(Send("GET", path, creator).status, 403);
  EXPECT_EQ(Get("winds", "new").body, "2");
  // A copy out of a bucket that one may read, into one that one may not write.
  EXPECT_EQ(Send("POST", "/storage/v1/b/winds/o/x/rewriteTo/b/other/o/x", reader, "").status, 403);
}

TEST_F(ServerTest, PublicBucketsAreReadableByAnybody) {
  MakeBucket("winds");
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  const std::string policy = R"({"bindings":[{"role":"roles/storage.objectViewer","members":["allUsers"]}]})";
  ASSERT_EQ(Admin("PUT", "/storage/v1/b/winds/iam", policy).status, 200);
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o/x?alt=media", "").body, "1");
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", "").status, 200);
  EXPECT_EQ(Send("DELETE", "/storage/v1/b/winds/o/x", "").status, 401);
}

TEST_F(ServerTest, PolicyChangesAreGuardedByEtag) {
  MakeBucket("winds");
  const Json policy = Admin("GET", "/storage/v1/b/winds/iam").json();
  EXPECT_EQ(Admin("PUT", "/storage/v1/b/winds/iam", policy.dump()).status, 200);
  EXPECT_EQ(Admin("PUT", "/storage/v1/b/winds/iam", policy.dump()).status, 412);
  EXPECT_EQ(
      Admin("PUT", "/storage/v1/b/winds/iam", R"({"bindings":[{"role":"roles/none","members":["allUsers"]}]})").status,
      400);
}

TEST_F(ServerTest, RevokedAccountsFailAtOnce) {
  MakeBucket("winds");
  const std::string key_file = MakeAccount("trainer", "winds", "roles/storage.objectUser");
  const std::string token = TokenOf(key_file);
  const std::string account = "/v1/projects/lab/serviceAccounts/trainer@lab.iam.seamount";
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", token).status, 200);
  EXPECT_EQ(Admin("POST", account + ":disable", "").status, 200);
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", token).status, 401);
  EXPECT_EQ(Admin("POST", account + ":enable", "").status, 200);
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", token).status, 200);
  const Json keys = Admin("GET", account + "/keys").json();
  const std::string name = keys["keys"][0]["name"];
  EXPECT_EQ(Admin("DELETE", "/v1/" + name).status, 200);
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", token).status, 401);
  EXPECT_EQ(Admin("DELETE", account).status, 200);
  EXPECT_EQ(Admin("GET", account).status, 404);
}

TEST_F(ServerTest, KeysAreForTheAddressTheClientUsed) {
  const auto key = auth::LoadServiceAccountKey(MakeAccount("trainer", "", ""));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->token_uri, server_->endpoint() + "/token");
}

TEST_F(ServerTest, RestartKeepsEverythingAndSweepsOrphans) {
  MakeBucket("winds");
  ASSERT_EQ(Put("winds", "x", "kept").status, 200);
  const std::string key_before = server_->admin_key_file();
  const uint16_t port = server_->port();
  const std::string id = "ab" + std::string(30, 'c');
  const std::string orphan = folder_.path() + "/served/blobs/ab/" + id;
  server_.reset();
  // As a crash leaves it: in place, and still named in tmp/.
  std::ofstream(orphan) << "left by a crash";
  std::filesystem::create_hard_link(orphan, folder_.path() + "/served/tmp/" + id);
  Start(port);
  EXPECT_EQ(Get("winds", "x").body, "kept");
  EXPECT_FALSE(std::filesystem::exists(orphan));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/served/quarantine"));
  EXPECT_EQ(server_->admin_key_file(), key_before);
}

TEST_F(ServerTest, OneServerPerFolder) {
  const auto second = StartServer({.directory = folder_.path() + "/served"});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kPreconditionFailed);
}

TEST_F(ServerTest, BatchesAnswerEachRequest) {
  MakeBucket("winds");
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  std::string body;
  for (const char* name : {"x", "absent"})
    body += std::string("--b\nContent-Type: application/http\nContent-ID: <1+") + name +
            ">\n\nDELETE /storage/v1/b/winds/o/" + name + " HTTP/1.1\n\n\n";
  const Answer answer =
      Admin("POST", "/batch/storage/v1", body + "--b--", {{"Content-Type", "multipart/mixed; boundary=b"}});
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.body.find("HTTP/1.1 204"), std::string::npos);
  EXPECT_NE(answer.body.find("HTTP/1.1 404"), std::string::npos);
  EXPECT_NE(answer.body.find("<response-1+absent>"), std::string::npos);
  EXPECT_EQ(Get("winds", "x").status, 404);
}

// Readers never see a mixture or nothing while one object is overwritten.
TEST_F(ServerTest, OverwritesAreAtomicForReaders) {
  MakeBucket("winds");
  const auto content = [](int i) {
    return std::string(50'000 + static_cast<size_t>(i), static_cast<char>('a' + i % 26));
  };
  ASSERT_EQ(Put("winds", "x", content(0)).status, 200);
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&] {
      while (!done) {
        const Answer got = Get("winds", "x");
        ASSERT_EQ(got.status, 200);
        ASSERT_EQ(got.body, content(static_cast<int>(got.body.size()) - 50'000));
      }
    });
  }
  for (int i = 1; i < 60; ++i) EXPECT_EQ(Put("winds", "x", content(i)).status, 200);
  done = true;
  for (auto& reader : readers) reader.join();
}

}  // namespace
}  // namespace seamount::server
