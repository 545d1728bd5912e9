// The server's front: who gets in, what strangers can take, and under which addresses it goes.
#include <unistd.h>

#include "auth/jwt.h"
#include "auth/service_account_key.h"
#include "net/test_server.h"
#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

class FrontTest : public ServerTest {
 protected:
  // A JWT that the administrator's key signed.
  std::string Signed(const std::string& audience, const std::string& scope) {
    const auto key = auth::LoadServiceAccountKey(server_->admin_key_file());
    const auto now = base::RealClock().WallNow();
    const auth::JwtClaims claims{.issuer = key->client_email,
                                 .subject = key->client_email,
                                 .audience = audience,
                                 .scope = scope,
                                 .issued = now,
                                 .expires = now + std::chrono::hours(1)};
    return auth::SignJwt(claims, key->private_key_id, key->private_key).value();
  }
};

std::string Nested(const std::string& open, const std::string& close, int levels) {
  std::string text = "1";
  for (int i = 0; i < levels; ++i) text = open + text + close;
  return text;
}

TEST_F(FrontTest, NestedJsonEndsNothing) {
  MakeBucket("winds");
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  std::string objects;
  std::string arrays;
  constexpr int kLevels = 60'000;
  for (int i = 0; i < kLevels; ++i) objects += "{\"a\":";
  objects += "1" + std::string(kLevels, '}');
  arrays = std::string(kLevels, '[') + std::string(kLevels, ']');
  const std::string object = "/storage/v1/b/winds/o/x";
  for (const std::string& deep : {objects, arrays}) {
    for (const char* field : {"acl", "metadata", "destination", "sourceObjects", "bindings", "lifecycle", "labels"}) {
      const std::string body = "{\"name\":\"deep\",\"" + std::string(field) + "\":" + deep + "}";
      EXPECT_EQ(Admin("PATCH", object, body).status, 400) << field;
      EXPECT_EQ(Admin("POST", object + "/compose", body).status, 400) << field;
      EXPECT_EQ(Admin("POST", object + "/rewriteTo/b/winds/o/y", body).status, 400) << field;
      EXPECT_EQ(Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=y", body).status, 400) << field;
      EXPECT_EQ(Admin("POST", "/storage/v1/b", body).status, 400) << field;
      EXPECT_EQ(Admin("PUT", "/storage/v1/b/winds/iam", body).status, 400) << field;
      EXPECT_EQ(Admin("POST", "/v1/projects/lab/serviceAccounts", body).status, 400) << field;
    }
    const std::string body =
        "--b\r\nContent-Type: application/json\r\n\r\n{\"acl\":" + deep + "}\r\n--b\r\n\r\nx\r\n--b--\r\n";
    EXPECT_EQ(Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=multipart&name=y", body,
                    {{"Content-Type", "multipart/related; boundary=b"}})
                  .status,
              400);
    const std::string jwt = base::Base64UrlEncode(base::AsBytes(deep)) + ".e30.AA";
    EXPECT_EQ(
        Send("POST", "/token", "", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=" + jwt).status,
        400);
    EXPECT_GE(Admin("POST", "/winds/y?uploadId=x", Nested("<a>", "</a>", 10'000)).status, 400);
  }
  EXPECT_EQ(Get("winds", "x").body, "1");
}

TEST_F(FrontTest, StrangersKeepNobodyOutAndHoldLittle) {
  std::vector<std::unique_ptr<net::RawClient>> strangers;
  for (int i = 0; i < 150; ++i) {
    strangers.push_back(std::make_unique<net::RawClient>(server_->port()));
    strangers.back()->Send(i % 2 == 0 ? "GET /storage/v1/b HT"
                                      : "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\ngrant_type=");
  }
  EXPECT_EQ(Admin("GET", "/storage/v1/b").status, 200);
  // Nobody's large bodies are refused before they come.
  const std::string rest =
      " HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Length: 9000000\r\n\r\n--b\r\n";
  for (const auto& [path, status] : {std::pair("/batch", "401"), std::pair("/batch/storage/v1", "401"),
                                     std::pair("/token", "400"), std::pair("/storage/v1/b", "401")}) {
    const net::RawClient client(server_->port());
    client.Send("POST " + std::string(path) + rest);
    EXPECT_EQ(client.Receive("\r\n").substr(0, 12), "HTTP/1.1 " + std::string(status)) << path;
  }
  // And those that do not say how large they are, once they are.
  const net::RawClient client(server_->port());
  client.Send(
      "POST /batch HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/mixed; boundary=b\r\n"
      "Transfer-Encoding: chunked\r\n\r\n50000\r\n--b\r\n\r\n" +
      std::string(0x50000, 'x'));
  EXPECT_EQ(client.Receive("\r\n").substr(0, 12), "HTTP/1.1 401");
}

TEST_F(FrontTest, TheNewestRequestOnASessionGoesOnAtOnce) {
  MakeBucket("winds");
  const Answer start = Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=x", "{}");
  const std::string session = start.header("location");
  const std::string path = session.substr(session.find("/upload"));
  // A connection that dies silently in the middle of a chunk: nothing more comes, and it is not closed.
  const net::RawClient dead(server_->port());
  const std::string half(1000, 'h');
  dead.Send("PUT " + path + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + admin_ +
            "\r\nContent-Range: bytes 0-1999/2000\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_EQ(dead.Receive("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");  // it is the dead one's turn
  dead.Send(half);
  const Answer status = Admin("PUT", session, "", {{"Content-Range", "bytes */2000"}});
  ASSERT_EQ(status.status, 308) << status.body;
  const std::string range = status.header("range");  // what had come until then, if anything
  const size_t there = range.empty() ? 0 : std::stoul(range.substr(range.find('-') + 1)) + 1;
  ASSERT_LE(there, half.size());
  const std::string whole = half + std::string(1000, 'w');
  const Answer done =
      Admin("PUT", session, whole.substr(there), {{"Content-Range", "bytes " + std::to_string(there) + "-1999/2000"}});
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(Get("winds", "x").body, whole);
}

TEST_F(FrontTest, JwtsForTheRightUse) {
  const auto status = [&](const std::string& jwt) { return Send("GET", "/storage/v1/b", jwt).status; };
  const std::string scope = "https://www.googleapis.com/auth/devstorage.full_control";
  EXPECT_EQ(status(Signed("", scope)), 200);  // AIP-4111, as object_store signs them
  EXPECT_EQ(status(Signed("", "https://www.googleapis.com/auth/compute")), 401);
  EXPECT_EQ(status(Signed("", "")), 401);
  EXPECT_EQ(status(Signed(server_->endpoint() + "/", "")), 200);
  EXPECT_EQ(status(Signed("https://elsewhere.example/", scope)), 401);
  EXPECT_EQ(status(Signed(server_->endpoint() + "/token", scope)), 401);  // that one buys a token, and is none
  EXPECT_EQ(status(Signed("https://oauth2.googleapis.com/token", scope)), 401);
  const auto grant = [&](const std::string& jwt) {
    return Send("POST", "/token", "", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=" + jwt).status;
  };
  EXPECT_EQ(grant(Signed(server_->endpoint() + "/token", scope)), 200);
  EXPECT_EQ(grant(Signed("", scope)), 400);
  EXPECT_EQ(grant(Signed(server_->endpoint() + "/", scope)), 400);
}

TEST_F(FrontTest, NobodyLearnsWhichBucketsThereAre) {
  MakeBucket("winds");
  for (const std::string path : {"/iam/testPermissions?permissions=storage.objects.get", "", "/o", "/o/x", "/iam"}) {
    const Answer there = Send("GET", "/storage/v1/b/winds" + path, "");
    const Answer absent = Send("GET", "/storage/v1/b/tides" + path, "");
    EXPECT_EQ(there.status, 401) << path;
    EXPECT_EQ(absent.status, 401) << path;
    EXPECT_EQ(there.body, absent.body) << path;
    EXPECT_EQ(there.body.find("  "), std::string::npos) << there.body;
  }
  const std::string everybody = R"({"bindings":[{"role":"roles/storage.objectViewer","members":["allUsers"]}]})";
  ASSERT_EQ(Admin("PUT", "/storage/v1/b/winds/iam", everybody).status, 200);
  const Answer granted = Send("GET", "/storage/v1/b/winds/iam/testPermissions?permissions=storage.objects.get", "");
  EXPECT_EQ(granted.json()["permissions"], Json({"storage.objects.get"}));
}

TEST_F(FrontTest, WhatIsMalformedIsNotTheServersFault) {
  MakeBucket("winds");
  const std::string upload = "/upload/storage/v1/b/winds/o?name=x&uploadType=";
  for (const char* length : {"-1", "x", "1.5"})
    EXPECT_EQ(Admin("POST", upload + "resumable", "{}", {{"X-Upload-Content-Length", length}}).status, 400) << length;
  const std::string parts = "--b\r\n\r\n{}\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n";
  EXPECT_EQ(Admin("POST", upload + "multipart", parts, {{"Content-Type", "multipart/related; boundary=b"}}).status,
            400);
  const net::RawClient client(server_->port());
  client.Send("POST " + upload + "media HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + admin_ +
              "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_EQ(client.Receive("\r\n").substr(0, 12), "HTTP/1.1 400");
  EXPECT_EQ(Get("winds", "x").status, 404);
}

TEST_F(FrontTest, AMethodMayBeWrittenIntoAHeader) {
  MakeBucket("winds");
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  const std::string object = "/storage/v1/b/winds/o/x";
  const Answer patched = Admin("POST", object, R"({"metadata":{"k":"v"}})", {{"X-HTTP-Method-Override", "PATCH"}});
  ASSERT_EQ(patched.status, 200) << patched.body;
  EXPECT_EQ(patched.json()["metadata"]["k"], "v");
  EXPECT_EQ(Send("POST", object, "", "{}", {{"X-HTTP-Method-Override", "PATCH"}}).status, 401);
  EXPECT_EQ(Admin("POST", object, "{}", {{"X-HTTP-Method-Override", "BREW"}}).status, 400);
  EXPECT_EQ(Admin("GET", object, {}, {{"X-HTTP-Method-Override", "DELETE"}}).status, 200);  // of a POST only
}

TEST_F(FrontTest, HealthIsAnybodysToAsk) {
  EXPECT_EQ(Send("GET", "/health", "").status, 200);
  EXPECT_EQ(Admin("POST", "/storage/v1/b", R"({"name":"health"})").status, 400);
}

TEST_F(FrontTest, EveryUrlThatIsGivenOutBeginsWithThePublicOne) {
  options_.public_url = "https://lab.example:8443/";
  options_.log_requests = true;
  options_.log_file = folder_.path() + "/requests.log";
  options_.log_format = LogFormat::kJson;
  server_.reset();
  auto started = StartServer(options_);  // its key is for an address that does not lead here
  ASSERT_TRUE(started) << started.error().ToString();
  server_ = *std::move(started);
  const std::string here = "http://127.0.0.1:" + std::to_string(server_->port());
  EXPECT_EQ(server_->endpoint(), "https://lab.example:8443");
  const std::string grant = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=" +
                            Signed("https://lab.example:8443/token", "");
  admin_ = Send("POST", here + "/token", "", grant).json()["access_token"];
  ASSERT_EQ(Admin("POST", here + "/storage/v1/b", R"({"name":"winds"})").status, 200);
  const std::string upload = here + "/upload/storage/v1/b/winds/o?name=x&uploadType=";
  const Answer stored = Admin("POST", upload + "media", "1", {{"X-Forwarded-Host", "evil.example"}});
  for (const char* link : {"selfLink", "mediaLink"})
    EXPECT_TRUE(stored.json()[link].get<std::string>().starts_with("https://lab.example:8443/")) << stored.body;
  EXPECT_TRUE(Admin("POST", upload + "resumable", "{}").header("location").starts_with("https://lab.example:8443/"));
  const Json account = Admin("POST", here + "/v1/projects/lab/serviceAccounts", R"({"accountId":"reader"})").json();
  const Json made = Admin("POST", here + "/v1/" + account["name"].get<std::string>() + "/keys", "{}").json();
  const auto file = base::Base64Decode(made["privateKeyData"].get<std::string>());
  ASSERT_TRUE(file);
  const Json key = Json::parse(std::string(reinterpret_cast<const char*>(file->data()), file->size()));
  EXPECT_EQ(key["token_uri"], "https://lab.example:8443/token");
  EXPECT_EQ(Send("GET", here + "/storage/v1/b", "rubbish").status, 401);

  // The log: moved away, it goes on in a new file of the same name.
  std::filesystem::rename(options_.log_file, options_.log_file + ".1");
  ASSERT_TRUE(server_->Reload());
  EXPECT_EQ(Admin("GET", here + "/storage/v1/b").status, 200);
  server_.reset();  // writes what is left
  const auto lines = [](const std::string& path) {
    std::ifstream log(path);
    std::vector<Json> all;
    for (std::string line; std::getline(log, line);) all.push_back(Json::parse(line));
    return all;
  };
  const auto old = lines(options_.log_file + ".1");
  const auto fresh = lines(options_.log_file);
  ASSERT_EQ(old.size() + fresh.size(), 8u);
  ASSERT_FALSE(fresh.empty());
  EXPECT_EQ(fresh.back()["account"], "seamount-admin@seamount.iam.seamount");
  EXPECT_EQ(fresh.back()["path"], "/storage/v1/b");
  EXPECT_EQ(fresh.back()["status"], 200);
}

TEST_F(FrontTest, OnAllAddressesTheAdministratorsKeyIsForEachOfThem) {
  options_.address = "0.0.0.0";
  server_.reset();
  std::filesystem::remove_all(folder_.path() + "/served");
  Start();
  const std::string local = "http://127.0.0.1:" + std::to_string(server_->port());
  auto key = auth::LoadServiceAccountKey(server_->admin_key_file());
  ASSERT_TRUE(key) << key.error().ToString();
  EXPECT_EQ(key->token_uri, server_->endpoint() + "/token");
  const bool has_network = server_->endpoint() != local;
  const std::string localhost = "http://localhost:" + std::to_string(server_->port());
  const auto named = has_network ? std::vector{local, localhost} : std::vector{localhost};
  EXPECT_EQ(key->endpoints, named);
  // A key that the server makes for somebody else names as many.
  const auto other = auth::LoadServiceAccountKey(MakeAccount("trainer", "", ""));
  ASSERT_TRUE(other) << other.error().ToString();
  EXPECT_EQ(other->endpoints, named);
  auto source = auth::MakeTokenExchangeSource(*std::move(key), *http_, base::RealClock());
  for (const std::string& address : {local, server_->endpoint()}) {
    const auto token = source->GetToken(address, {}, {});
    ASSERT_TRUE(token) << token.error().ToString();
    EXPECT_EQ(Send("GET", address + "/storage/v1/b", token->value.Reveal()).status, 200) << address;
  }
}

TEST_F(FrontTest, OnlyTheProxyThatWasNamedIsBelieved) {
  MakeBucket("winds");
  const auto link = [&](const HeaderList& headers) {
    return Admin("GET", "/storage/v1/b/winds", {}, headers).json()["selfLink"].get<std::string>();
  };
  const HeaderList forwarded = {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "lab.example"}};
  EXPECT_TRUE(link(forwarded).starts_with("http://127.0.0.1:"));
  options_.proxy = "127.0.0.1";
  const uint16_t port = server_->port();
  server_.reset();
  Start(port);
  EXPECT_TRUE(link(forwarded).starts_with("https://lab.example/"));
}

TEST_F(FrontTest, FaultsAreForThisMachineAlone) {
  const auto refused = StartServer({.directory = folder_.path() + "/other", .address = "0.0.0.0", .testing = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(FrontTest, ABucketThatKeepsNothingDeletedSaysSo) {
  const auto made = [&](const std::string& more) {
    return Admin("POST", "/storage/v1/b", R"({"name":"winds",)" + more + "}").status;
  };
  EXPECT_EQ(made(R"("softDeletePolicy":{"retentionDurationSeconds":"604800"})"), 400);
  EXPECT_EQ(made(R"("softDeletePolicy":{"retentionDurationSeconds":604800})"), 400);
  EXPECT_EQ(made(R"("iamConfiguration":{"uniformBucketLevelAccess":{"enabled":false}})"), 400);
  EXPECT_EQ(made(R"("softDeletePolicy":{"retentionDurationSeconds":"0"},)"
                 R"("iamConfiguration":{"uniformBucketLevelAccess":{"enabled":true}})"),
            200);
}

TEST_F(FrontTest, AScopeForReadingReadsAndNothingElse) {
  MakeBucket("winds");
  ASSERT_EQ(Put("winds", "x", "1").status, 200);
  const std::string stem = "https://www.googleapis.com/auth/";
  const auto granted = [&](const std::string& scope) {
    const std::string form = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=" +
                             Signed(server_->endpoint() + "/token", scope);
    return Send("POST", "/token", "", form).json().value("access_token", "");
  };
  const std::string upload = "/upload/storage/v1/b/winds/o?uploadType=media&name=y";
  const std::string reading = stem + "devstorage.read_only";
  for (const std::string& token :
       {granted(reading), granted("openid " + reading), Signed("", reading), Signed(server_->endpoint(), reading)}) {
    EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o/x?alt=media", token).body, "1");
    EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", token).status, 200);
    EXPECT_EQ(Send("GET", "/storage/v1/b", token).status, 200);
    const Answer refused = Send("POST", upload, token, "2");
    EXPECT_EQ(refused.status, 403);
    EXPECT_NE(refused.body.find("scope"), std::string::npos) << refused.body;
    EXPECT_EQ(Send("DELETE", "/storage/v1/b/winds/o/x", token).status, 403);
    EXPECT_EQ(Send("GET", "/storage/v1/b/winds/iam", token).status, 403);
    EXPECT_EQ(Send("GET", "/v1/projects/-/serviceAccounts", token).status, 403);
    EXPECT_EQ(Send("GET",
                   "/storage/v1/b/winds/iam/testPermissions?permissions=storage.objects.get&permissions="
                   "storage.objects.create",
                   token)
                  .json()["permissions"],
              Json({"storage.objects.get"}));
  }
  for (const std::string& scope : {reading + " " + stem + "devstorage.read_write", stem + "cloud-platform"})
    EXPECT_EQ(Send("POST", upload, granted(scope), "2").status, 200) << scope;
}

}  // namespace
}  // namespace seamount::server
