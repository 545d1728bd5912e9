// Keys, tokens and sources. The key pair is made anew by each run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "auth/credentials.h"
#include "auth/host_binding.h"
#include "auth/jwt.h"
#include "auth/service_account_key.h"
#include "auth/token_sources.h"
#include "base/bytes.h"
#include "base/encoding.h"
#include "net/testing/fake_http_client.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const PrivateKey& TestKey() {
  static const PrivateKey key = PrivateKey::Generate().value();
  return key;
}

json KeyJson(const std::string& token_uri = "http://lab.example:8080/token") {
  return {{"type", "service_account"}, {"client_email", "train@winds.iam.seamount"},
          {"private_key_id", "k1"},    {"private_key", TestKey().ToPem()->Reveal()},
          {"project_id", "winds"},     {"token_uri", token_uri}};
}

ServiceAccountKey TestAccount(const std::string& token_uri = "http://lab.example:8080/token") {
  return ParseServiceAccountKey(KeyJson(token_uri).dump(), "test").value();
}

// A folder of its own, HOME and no other trace of the machine's own credentials.
class AuthFilesTest : public testing::Test {
 protected:
  AuthFilesTest() {
    std::string name = (std::filesystem::temp_directory_path() / "auth_test.XXXXXX").string();
    folder_ = mkdtemp(name.data());
    setenv("HOME", folder_.c_str(), 1);
    for (const char* variable : {"GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCE_METADATA_HOST"}) {
      unsetenv(variable);
    }
  }
  ~AuthFilesTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  std::filesystem::path folder_;
};

TEST_F(AuthFilesTest, LoadsAKey) {
  const auto key = LoadServiceAccountKey(Write("key.json", KeyJson().dump()));
  ASSERT_TRUE(key) << key.error().ToString();
  EXPECT_EQ(key->client_email, "train@winds.iam.seamount");
  EXPECT_EQ(key->private_key_id, "k1");
  EXPECT_EQ(key->project_id, "winds");
  EXPECT_EQ(key->token_uri, "http://lab.example:8080/token");
}

TEST_F(AuthFilesTest, RefusesFilesThatOthersCanRead) {
  for (const mode_t mode : {0640, 0604, 0660, 0644, 0620}) {
    const std::string path = Write("key.json", KeyJson().dump(), mode);
    const auto key = LoadServiceAccountKey(path);
    ASSERT_FALSE(key);
    EXPECT_THAT(key.error().message(), HasSubstr("run 'chmod 600 " + path + "'"));
  }
}

TEST_F(AuthFilesTest, NamesMissingAndUnreadableFiles) {
  const auto missing = LoadServiceAccountKey(folder_ / "none.json");
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("none.json' does not exist"));
  const auto folder = LoadServiceAccountKey(folder_);
  EXPECT_THAT(folder.error().message(), HasSubstr("is not a file"));
  EXPECT_THAT(LoadServiceAccountKey(Write("big", std::string(70'000, ' '))).error().message(), HasSubstr("64 KiB"));
}

TEST(ServiceAccountKeyTest, NamesFileAndFieldOfWhatIsWrong) {
  struct Case {
    json change;
    const char* message;
  };
  const std::vector<Case> cases = {
      {{{"type", "authorized_user"}}, "field 'type' is 'authorized_user' (expected 'service_account')"},
      {{{"client_email", nullptr}}, "field 'client_email' is missing"},
      {{{"client_email", ""}}, "field 'client_email' is empty"},
      {{{"client_email", 5}}, "field 'client_email' is not a string"},
      {{{"client_email", "a\nb"}}, "field 'client_email' holds a control character"},
      {{{"private_key", nullptr}}, "field 'private_key' is missing"},
      {{{"private_key", "secret rubbish"}}, "field 'private_key' is not an unencrypted PEM key"},
      {{{"private_key_id", nullptr}}, "field 'private_key_id' is missing"},
      {{{"token_uri", nullptr}}, "field 'token_uri' is missing"},
      {{{"token_uri", "ftp://x"}}, "field 'token_uri': URL 'ftp://x'"},
      {{{"project_id", 7}}, "field 'project_id' is not a string"},
  };
  for (const Case& one : cases) {
    json object = KeyJson();
    object.merge_patch(one.change);
    const auto key = ParseServiceAccountKey(object.dump(), "/k.json");
    ASSERT_FALSE(key) << one.message;
    EXPECT_EQ(key.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(key.error().message(), HasSubstr(std::string("key file '/k.json': ") + one.message));
    EXPECT_THAT(key.error().message(), Not(HasSubstr("secret")));
  }
  for (const char* bad : {"", "{", "[]", "\"text\"", "{\"type\": "})
    EXPECT_FALSE(ParseServiceAccountKey(bad, "k")) << bad;
}

JwtClaims ClaimsAt(base::SystemTime now) {
  return {.issuer = "train@winds.iam.seamount",
          .audience = "http://lab.example:8080/token",
          .issued = now,
          .expires = now + std::chrono::hours(1)};
}

TEST(JwtTest, SignedTokensVerify) {
  base::FakeClock clock;
  const auto token = SignJwt(ClaimsAt(clock.WallNow()), "k1", TestKey());
  ASSERT_TRUE(token);
  const auto jwt = ParseJwt(*token);
  ASSERT_TRUE(jwt) << jwt.error().ToString();
  EXPECT_EQ(jwt->key_id, "k1");
  EXPECT_EQ(jwt->claims.issuer, "train@winds.iam.seamount");
  const PublicKey key = PublicKey::FromPem(*TestKey().PublicPem()).value();
  EXPECT_TRUE(CheckJwt(*jwt, key, "http://lab.example:8080/token", clock.WallNow()));
}

TEST(JwtTest, EveryCheckCanFail) {
  base::FakeClock clock;
  const auto now = clock.WallNow();
  const PublicKey key = PublicKey::FromPem(*TestKey().PublicPem()).value();
  const PublicKey other = PublicKey::FromPem(*PrivateKey::Generate()->PublicPem()).value();
  const std::string audience = "http://lab.example:8080/token";
  const auto check = [&](const JwtClaims& claims, const PublicKey& with, base::SystemTime at) {
    const auto checked = CheckJwt(*ParseJwt(*SignJwt(claims, "k1", TestKey())), with, audience, at);
    return checked ? "good" : checked.error().message();
  };
  const JwtClaims good = ClaimsAt(now);
  EXPECT_EQ(check(good, key, now + std::chrono::minutes(59)), "good");
  EXPECT_EQ(check(good, key, now - std::chrono::seconds(30)), "good");
  EXPECT_THAT(check(good, other, now), HasSubstr("signature"));
  EXPECT_THAT(check(good, key, now + std::chrono::hours(2)), HasSubstr("expired"));
  EXPECT_THAT(check(good, key, now - std::chrono::hours(1)), HasSubstr("future"));
  JwtClaims changed = good;
  changed.audience = "https://other/";
  EXPECT_THAT(check(changed, key, now), HasSubstr("is for 'https://other/'"));
  changed = good;
  changed.expires = now + std::chrono::hours(2);
  EXPECT_THAT(check(changed, key, now), HasSubstr("longer than an hour"));
}

TEST(JwtTest, ChangedTokensDoNotVerify) {
  base::FakeClock clock;
  const PublicKey key = PublicKey::FromPem(*TestKey().PublicPem()).value();
  const std::string token = *SignJwt(ClaimsAt(clock.WallNow()), "k1", TestKey());
  for (size_t i = 0; i < token.size(); i += 7) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto jwt = ParseJwt(changed);
    if (jwt) {
      EXPECT_FALSE(CheckJwt(*jwt, key, "http://lab.example:8080/token", clock.WallNow())) << i;
    }
  }
}

TEST(JwtTest, ParsesStrictly) {
  // A token of these parts, signed "sig".
  const auto token = [](const std::string& header, const std::string& claims) {
    std::string text = base::Base64UrlEncode(base::AsBytes(header));
    text.append(".").append(base::Base64UrlEncode(base::AsBytes(claims))).append(".c2ln");
    return text;
  };
  const std::string header = R"({"alg":"RS256"})";
  const std::string claims = R"({"iss":"a","iat":1,"exp":2})";
  const std::string good = token(header, claims);
  EXPECT_TRUE(ParseJwt(good));
  const std::vector<std::string> bad = {
      "",
      "..",
      good.substr(0, good.find('.')),
      good.substr(0, good.rfind('.')),
      good.substr(0, good.rfind('.') + 1),
      good + ".c2ln",
      good + "=",
      good + "+/",
      good + std::string(20'000, 'A'),
      token(R"({"alg":"none"})", claims),
      token(R"({"alg":"HS256"})", claims),
      token(R"({"alg":"RS256","crit":["x"]})", claims),
      token("[]", claims),
      token(header, "[]"),
      token(header, R"({"iat":1,"exp":2})"),
      token(header, R"({"iss":"a","exp":2})"),
      token(header, R"({"iss":"a","iat":-1,"exp":2})"),
      token(header, R"({"iss":"a","iat":1,"exp":1e300})"),
      token(header, R"({"iss":"a\nb","iat":1,"exp":2})"),
      token(header, R"({"iss":"a","iat":1,"exp":2,"aud":["x"]})"),
  };
  for (const std::string& text : bad) {
    const auto jwt = ParseJwt(text);
    ASSERT_FALSE(jwt) << text;
    EXPECT_EQ(jwt.error().code(), ErrorCode::kUnauthenticated);
  }
}

TEST(JwtTest, KeysAreRsaAndLargeEnough) {
  EXPECT_FALSE(PublicKey::FromPem("rubbish"));
  EXPECT_FALSE(PublicKey::FromPem(TestKey().ToPem()->Reveal()));
  EXPECT_FALSE(PrivateKey::FromPem(*TestKey().PublicPem()));
}

TEST(TokenSourceTest, SelfSignedTokensAreForTheServiceAsked) {
  base::FakeClock clock;
  const auto source = MakeSelfSignedTokenSource(TestAccount(), clock);
  const auto token = source->GetToken("https://storage.googleapis.com", {}, {});
  ASSERT_TRUE(token);
  const auto jwt = ParseJwt(token->value.Reveal());
  ASSERT_TRUE(jwt);
  EXPECT_EQ(jwt->claims.audience, "https://storage.googleapis.com/");
  EXPECT_EQ(jwt->claims.subject, jwt->claims.issuer);
  EXPECT_EQ(token->expires, clock.WallNow() + std::chrono::hours(1));
  const auto audience = [&](const std::string& url) {
    return ParseJwt(source->GetToken(url, {}, {})->value.Reveal())->claims.audience;
  };
  EXPECT_EQ(audience("https://iam.googleapis.com"), "https://iam.googleapis.com/");
  EXPECT_EQ(audience("https://storage-eu.p.googleapis.com"), "https://storage.googleapis.com/");
}

TEST(TokenSourceTest, TheExchangeSendsASignedGrant) {
  base::FakeClock clock;
  net::FakeHttpClient http;
  http.Enqueue(200, R"({"access_token":"t1","expires_in":1800,"token_type":"Bearer"})");
  const auto source = MakeTokenExchangeSource(TestAccount(), http, clock);
  const auto token = source->GetToken("http://lab.example:8080", {}, {});
  ASSERT_TRUE(token) << token.error().ToString();
  EXPECT_EQ(token->value.Reveal(), "t1");
  EXPECT_EQ(token->expires, clock.WallNow() + std::chrono::minutes(30));
  const auto sent = http.requests().at(0);
  EXPECT_EQ(sent.method, "POST");
  EXPECT_EQ(sent.url, "http://lab.example:8080/token");
  EXPECT_EQ(sent.headers.Get("content-type"), "application/x-www-form-urlencoded");
  const auto form = net::ParseTarget("/?" + sent.body);
  EXPECT_EQ(form->Query("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
  const auto jwt = ParseJwt(*form->Query("assertion"));
  ASSERT_TRUE(jwt);
  EXPECT_TRUE(CheckJwt(*jwt, *PublicKey::FromPem(*TestKey().PublicPem()), sent.url, clock.WallNow()));
}

// One server, reached by its name in the laboratory or through a tunnel.
TEST_F(AuthFilesTest, OneKeyForSeveralAddressesOfOneServer) {
  nlohmann::json fields = KeyJson();
  fields["endpoints"] = {"https://lab.example", "http://localhost:9000/"};
  net::FakeHttpClient http;
  const auto source = OpenCredentialFile(Write("key.json", fields.dump()), http);
  ASSERT_TRUE(source) << source.error().ToString();
  for (const char* endpoint : {"http://localhost:9000", "https://lab.example", "http://lab.example:8080"}) {
    http.Enqueue(200, R"({"access_token":"t1","expires_in":1800,"token_type":"Bearer"})");
    ASSERT_TRUE((*source)->GetToken(endpoint, {}, {})) << endpoint;
    EXPECT_EQ(http.requests().back().url, std::string(endpoint) + "/token");
    const auto form = net::ParseTarget("/?" + http.requests().back().body);
    EXPECT_EQ(ParseJwt(*form->Query("assertion"))->claims.audience, "http://lab.example:8080/token");
  }
  const auto refused = (*source)->GetToken("http://localhost:9001", {}, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("http://lab.example:8080, https://lab.example, http://localhost:9000"));
  for (const nlohmann::json& bad : {nlohmann::json("http://x"), nlohmann::json({1}), nlohmann::json({"no url"})}) {
    fields["endpoints"] = bad;
    const auto parsed = ParseServiceAccountKey(fields.dump(), "k");
    ASSERT_FALSE(parsed) << bad;
    EXPECT_THAT(parsed.error().message(), HasSubstr("endpoints"));
  }
}

TEST_F(AuthFilesTest, AKeyMayBeGivenAsText) {
  net::FakeHttpClient http;
  const CredentialOptions options{.key_text = Secret(KeyJson().dump()), .endpoint = "http://lab.example:8080"};
  EXPECT_TRUE(FindCredentials(options, http));
  const auto wrong = FindCredentials({.key_text = Secret("{"), .endpoint = "http://lab.example:8080"}, http);
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("given as text"));
  EXPECT_FALSE(FindCredentials({.key_text = options.key_text, .endpoint = "http://elsewhere"}, http));
}

TEST(TokenSourceTest, RefusalsSayWhatToDo) {
  base::FakeClock clock;
  struct Case {
    int status;
    const char* body;
    ErrorCode code;
    const char* message;
  };
  for (const Case& one : std::vector<Case>{
           {400, R"({"error":"invalid_grant","error_description":"Invalid grant: account not found"})",
            ErrorCode::kUnauthenticated, "invalid_grant (Invalid grant: account not found): the key was revoked"},
           {401, "not json", ErrorCode::kUnauthenticated, "seamount setup"},
           {403, "", ErrorCode::kPermissionDenied, "answered 403"},
           {503, "", ErrorCode::kUnavailable, "answered 503"},
           {429, "[]", ErrorCode::kUnavailable, "answered 429"},
           {200, "[]", ErrorCode::kInternal, "not a JSON object"},
           {200, "{}", ErrorCode::kInternal, "no 'access_token'"},
           {200, R"({"access_token":"a\r\nX: y"})", ErrorCode::kInternal, "cannot be sent"}}) {
    net::FakeHttpClient http;
    http.Enqueue(one.status, one.body);
    const auto token = MakeTokenExchangeSource(TestAccount(), http, clock)->GetToken("http://lab.example:8080", {}, {});
    ASSERT_FALSE(token) << one.body;
    EXPECT_EQ(token.error().code(), one.code) << one.body;
    EXPECT_THAT(token.error().message(), HasSubstr(one.message));
    EXPECT_THAT(token.error().message(), HasSubstr("key of train@winds.iam.seamount"));
  }
}

TEST(TokenSourceTest, TheMetadataServerIsAskedWithItsHeader) {
  base::FakeClock clock;
  net::FakeHttpClient http;
  http.Enqueue(200, R"({"access_token":"m","expires_in":3599,"token_type":"Bearer"})");
  const auto token = MakeMetadataTokenSource("169.254.169.254", http, clock)->GetToken("", {}, {});
  ASSERT_TRUE(token);
  EXPECT_EQ(http.requests()[0].headers.Get("Metadata-Flavor"), "Google");
  EXPECT_THAT(http.requests()[0].url,
              StartsWith("http://169.254.169.254/computeMetadata/v1/instance/service-accounts"));
}

TEST(HostBindingTest, TokensStayWithTheirHosts) {
  const HostBinding google = HostBinding::OfTokenUri("https://oauth2.googleapis.com/token").value();
  EXPECT_TRUE(google.Allows("https://storage.googleapis.com/b/o"));
  EXPECT_TRUE(google.Allows("https://storage-eu.p.googleapis.com"));
  for (const char* other : {"http://storage.googleapis.com", "https://storage.googleapis.com.evil.example",
                            "https://evilgoogleapis.com", "https://storage.googleapis.com:8443", "https://h", ""}) {
    EXPECT_FALSE(google.Allows(other)) << other;
  }
  const HostBinding lab = HostBinding::OfTokenUri("http://lab.example:8080/token").value();
  EXPECT_TRUE(lab.Allows("http://LAB.example:8080/storage/v1/b"));
  for (const char* other : {"https://lab.example:8080", "http://lab.example", "http://lab.example:8081",
                            "https://storage.googleapis.com", "http://lab.example.evil:8080"}) {
    EXPECT_FALSE(lab.Allows(other)) << other;
  }
  EXPECT_FALSE(HostBinding::OfTokenUri("http://oauth2.googleapis.com/token"));
}

TEST(HostBindingTest, ABoundSourceRefusesOtherHosts) {
  const auto source = BindToHosts(MakeStaticTokenSource(Secret("s3cret")), *HostBinding::Origin("http://lab:80/token"));
  EXPECT_TRUE(source->GetToken("http://lab", {}, {}));
  const auto refused = source->GetToken("http://elsewhere", {}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("http://elsewhere"));
  EXPECT_THAT(refused.error().message(), Not(HasSubstr("s3cret")));
}

TEST_F(AuthFilesTest, AnExplicitKeyMustFitTheEndpoint) {
  net::FakeHttpClient http;
  const std::string path = Write("key.json", KeyJson().dump());
  const auto fits = FindCredentials({.key_file = path, .endpoint = "http://lab.example:8080"}, http);
  ASSERT_TRUE(fits);
  EXPECT_EQ((*fits)->Describe(), "key of train@winds.iam.seamount");
  const auto other = FindCredentials({.key_file = path}, http);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(other.error().message(), HasSubstr("is for http://lab.example:8080"));
  EXPECT_TRUE(http.requests().empty());
}

TEST_F(AuthFilesTest, LooksInOrder) {
  net::FakeHttpClient http;
  http.SetHandler([](const net::HttpRequest&) { return base::Unavailable("no such host"); });
  const std::string google = "https://oauth2.googleapis.com/token";
  const auto described = [&](const std::string& endpoint) {
    const auto found = FindCredentials({.endpoint = endpoint}, http);
    return found ? (*found)->Describe() : found.error().message();
  };
  EXPECT_THAT(described(""), HasSubstr("~/.config/seamount/key.json, "));
  EXPECT_THAT(described(""), HasSubstr("the metadata server metadata.google.internal"));
  EXPECT_THAT(described("http://lab.example:8080"), Not(HasSubstr("metadata")));
  EXPECT_EQ(FindCredentials({}, http).error().code(), ErrorCode::kUnauthenticated);

  Write(".config/gcloud/application_default_credentials.json",
        json{{"type", "authorized_user"}, {"client_id", "c"}, {"client_secret", "s"}, {"refresh_token", "r"}}.dump());
  EXPECT_EQ(described(""), "login of gcloud's application default credentials");
  EXPECT_THAT(described("http://lab.example:8080"), HasSubstr("(is for https://*.googleapis.com)"));

  json own = KeyJson();
  own["client_email"] = "own@x";
  Write(".config/seamount/key.json", own.dump());
  EXPECT_EQ(described("http://lab.example:8080"), "key of own@x");
  EXPECT_EQ(described(""), "login of gcloud's application default credentials");

  json named = KeyJson(google);
  named["client_email"] = "named@x";
  setenv("GOOGLE_APPLICATION_CREDENTIALS", Write("named.json", named.dump()).c_str(), 1);
  EXPECT_EQ(described(""), "key of named@x");
  EXPECT_EQ(described("http://lab.example:8080"), "key of own@x");

  setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json", 1);
  EXPECT_THAT(described(""), HasSubstr("'/nowhere/key.json' does not exist"));
  EXPECT_TRUE(FindCredentials({.anonymous = true}, http).value()->GetToken("http://any", {}, {})->value.empty());
}

TEST_F(AuthFilesTest, UsesTheMetadataServerWhenItAnswers) {
  net::FakeHttpClient http;
  net::Headers flavor;
  flavor.Add("Metadata-Flavor", "Google");
  http.Enqueue(200, "", flavor);
  setenv("GCE_METADATA_HOST", "127.0.0.1:9", 1);
  const auto found = FindCredentials({}, http);
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_EQ((*found)->Describe(), "metadata server's credential");
  http.Enqueue(200, R"({"access_token":"m","expires_in":3599})");
  EXPECT_EQ((*found)->GetToken("https://storage.googleapis.com", {}, {})->value.Reveal(), "m");
  EXPECT_FALSE((*found)->GetToken("http://lab.example", {}, {}));
  EXPECT_EQ(http.requests().size(), 2u);
}

TEST_F(AuthFilesTest, ARefreshTokenIsExchanged) {
  base::FakeClock clock;
  net::FakeHttpClient http;
  http.Enqueue(200, R"({"access_token":"u","expires_in":3599})");
  const Secret login(
      json{{"type", "authorized_user"}, {"client_id", "c"}, {"client_secret", "s&"}, {"refresh_token", "r"}}.dump());
  const auto source = MakeUserTokenSource(login, "adc", http, clock);
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->GetToken("", {}, {})->value.Reveal(), "u");
  EXPECT_EQ(http.requests()[0].url, "https://oauth2.googleapis.com/token");
  EXPECT_EQ(http.requests()[0].body, "grant_type=refresh_token&client_id=c&client_secret=s%26&refresh_token=r");
  http.Enqueue(400, R"({"error":"invalid_grant"})");
  EXPECT_THAT((*source)->GetToken("", {}, {}).error().message(), HasSubstr("gcloud auth application-default login"));
}

}  // namespace
}  // namespace seamount::auth
