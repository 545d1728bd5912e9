#include "auth/token_sources.h"

#include "auth/credential_fields.h"
#include "auth/jwt.h"
#include "auth/token_response.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

using std::chrono::seconds;

// The longest Google takes.
constexpr auto kJwtLifetime = seconds(3600);
constexpr auto kProbeTime = seconds(1);
constexpr const char* kScope = "https://www.googleapis.com/auth/cloud-platform";
constexpr const char* kUserTokenUri = "https://oauth2.googleapis.com/token";

// Google's services take a JWT that names them by their main address, without a region.
Result<std::string> ServiceOf(const std::string& audience_url) {
  SEAMOUNT_TRY_ASSIGN(const net::Url url, net::ParseUrl(audience_url));
  const std::string service = url.host.substr(0, url.host.find_first_of(".-"));
  return service == "storage" ? "https://storage.googleapis.com/" : "https://" + url.host + "/";
}

// Where the key's tokens are to be had by whoever reaches the server at `audience_url`: of several addresses of one
// server, only that one may be reachable from here.
Result<std::string> TokenUrlAt(const ServiceAccountKey& key, const std::string& audience_url) {
  if (key.endpoints.empty()) return key.token_uri;
  SEAMOUNT_TRY_ASSIGN(const net::Url used, net::ParseUrl(audience_url));
  SEAMOUNT_TRY_ASSIGN(const net::Url named, net::ParseUrl(key.token_uri));
  return used.Origin() + named.path;
}

JwtClaims ClaimsOf(const ServiceAccountKey& key, base::Clock& clock) {
  const base::SystemTime now = clock.WallNow();
  return {.issuer = key.client_email, .subject = key.client_email, .issued = now, .expires = now + kJwtLifetime};
}

class SelfSignedTokenSource final : public TokenSource {
 public:
  SelfSignedTokenSource(ServiceAccountKey key, base::Clock& clock) : key_(std::move(key)), clock_(clock) {}

  Result<Token> GetToken(const std::string& audience_url, const Secret& rejected, const CallContext&) override {
    JwtClaims claims = ClaimsOf(key_, clock_);
    SEAMOUNT_TRY_ASSIGN(claims.audience, ServiceOf(audience_url));
    SEAMOUNT_TRY_ASSIGN(std::string jwt, SignJwt(claims, key_.private_key_id, key_.private_key));
    if (jwt == rejected.Reveal()) {  // signatures are deterministic: within the same second it is the same again
      return base::Unauthenticated("the " + Describe() +
                                   " was refused: it was deleted or its account disabled; make a new key");
    }
    return Token{.value = Secret(std::move(jwt)), .expires = claims.expires};
  }
  std::string Describe() const override { return "key of " + key_.client_email; }

 private:
  const ServiceAccountKey key_;
  base::Clock& clock_;
};

class TokenExchangeSource final : public TokenSource {
 public:
  TokenExchangeSource(ServiceAccountKey key, net::HttpClient& http, base::Clock& clock)
      : key_(std::move(key)), http_(http), clock_(clock) {}

  Result<Token> GetToken(const std::string& audience_url, const Secret&, const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const std::string token_url, TokenUrlAt(key_, audience_url));
    JwtClaims claims = ClaimsOf(key_, clock_);
    claims.audience = key_.token_uri;
    claims.scope = kScope;
    SEAMOUNT_TRY_ASSIGN(const std::string jwt, SignJwt(claims, key_.private_key_id, key_.private_key));
    auto token = RequestToken(http_, token_url,
                              {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", jwt}},
                              "the key was revoked, its account disabled, or this machine's clock is wrong; make a new "
                              "key with 'seamount setup'",
                              clock_, context);
    if (!token) return token.error().Wrap("getting a token with the " + Describe());
    return token;
  }
  std::string Describe() const override { return "key of " + key_.client_email; }

 private:
  const ServiceAccountKey key_;
  net::HttpClient& http_;
  base::Clock& clock_;
};

net::HttpRequest MetadataRequest(const std::string& host, const std::string& path) {
  net::HttpRequest request{.url = "http://" + host + path, .max_response_bytes = kMaxTokenResponseBytes};
  request.headers.Add("Metadata-Flavor", "Google");
  return request;
}

class MetadataTokenSource final : public TokenSource {
 public:
  MetadataTokenSource(std::string host, net::HttpClient& http, base::Clock& clock)
      : host_(std::move(host)), http_(http), clock_(clock) {}

  Result<Token> GetToken(const std::string&, const Secret&, const CallContext& context) override {
    auto token = Ask(context);
    if (!token) return token.error().Wrap("getting a token from the metadata server");
    return token;
  }
  std::string Describe() const override { return "metadata server's credential"; }

 private:
  Result<Token> Ask(const CallContext& context) {
    const auto request = MetadataRequest(host_, "/computeMetadata/v1/instance/service-accounts/default/token");
    SEAMOUNT_TRY_ASSIGN(const net::HttpResponse response, http_.Send(request, context));
    return ReadTokenResponse(response, "attach a service account to this VM, or give a key with --key", clock_);
  }

  const std::string host_;
  net::HttpClient& http_;
  base::Clock& clock_;
};

class UserTokenSource final : public TokenSource {
 public:
  UserTokenSource(std::string token_uri, std::string client_id, Secret client_secret, Secret refresh_token,
                  net::HttpClient& http, base::Clock& clock)
      : token_uri_(std::move(token_uri)),
        client_id_(std::move(client_id)),
        client_secret_(std::move(client_secret)),
        refresh_token_(std::move(refresh_token)),
        http_(http),
        clock_(clock) {}

  Result<Token> GetToken(const std::string&, const Secret&, const CallContext& context) override {
    const net::QueryParameters form = {{"grant_type", "refresh_token"},
                                       {"client_id", client_id_},
                                       {"client_secret", client_secret_.Reveal()},
                                       {"refresh_token", refresh_token_.Reveal()}};
    auto token =
        RequestToken(http_, token_uri_, form,
                     "the login has expired; run 'gcloud auth application-default login' again", clock_, context);
    if (!token) return token.error().Wrap("getting a token with the " + Describe());
    return token;
  }
  std::string Describe() const override { return "login of gcloud's application default credentials"; }

 private:
  const std::string token_uri_;
  const std::string client_id_;
  const Secret client_secret_;
  const Secret refresh_token_;
  net::HttpClient& http_;
  base::Clock& clock_;
};

class StaticTokenSource final : public TokenSource {
 public:
  StaticTokenSource(Secret token, std::string name) : token_(std::move(token)), name_(std::move(name)) {}
  Result<Token> GetToken(const std::string&, const Secret& rejected, const CallContext&) override {
    if (!token_.empty() && token_.Reveal() == rejected.Reveal()) {
      return base::Unauthenticated("the " + name_ + " was refused");
    }
    return Token{.value = token_, .expires = base::SystemTime::max()};
  }
  std::string Describe() const override { return name_; }

 private:
  const Secret token_;
  const std::string name_;
};

}  // namespace

std::unique_ptr<TokenSource> MakeSelfSignedTokenSource(ServiceAccountKey key, base::Clock& clock) {
  return std::make_unique<SelfSignedTokenSource>(std::move(key), clock);
}

std::unique_ptr<TokenSource> MakeTokenExchangeSource(ServiceAccountKey key, net::HttpClient& http, base::Clock& clock) {
  return std::make_unique<TokenExchangeSource>(std::move(key), http, clock);
}

std::unique_ptr<TokenSource> MakeMetadataTokenSource(std::string host, net::HttpClient& http, base::Clock& clock) {
  return std::make_unique<MetadataTokenSource>(std::move(host), http, clock);
}

bool MetadataServerAnswers(const std::string& host, net::HttpClient& http) {
  const auto response = http.Send(MetadataRequest(host, "/computeMetadata/v1/"),
                                  {.deadline = std::chrono::steady_clock::now() + kProbeTime});
  return response && response->headers.Get("Metadata-Flavor") == "Google";
}

Result<std::unique_ptr<TokenSource>> MakeUserTokenSource(const Secret& json, const std::string& file_name,
                                                         net::HttpClient& http, base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(const CredentialFields fields, CredentialFields::Parse(json.Reveal(), file_name));
  std::string token_uri = kUserTokenUri;
  if (fields.Has("token_uri")) {
    SEAMOUNT_TRY_ASSIGN(token_uri, fields.Get("token_uri"));
  }
  SEAMOUNT_TRY_ASSIGN(std::string client_id, fields.Get("client_id"));
  SEAMOUNT_TRY_ASSIGN(std::string client_secret, fields.Get("client_secret"));
  SEAMOUNT_TRY_ASSIGN(std::string refresh_token, fields.Get("refresh_token"));
  return std::unique_ptr<TokenSource>(std::make_unique<UserTokenSource>(std::move(token_uri), std::move(client_id),
                                                                        Secret(std::move(client_secret)),
                                                                        Secret(std::move(refresh_token)), http, clock));
}

std::unique_ptr<TokenSource> MakeAnonymousTokenSource() {
  return std::make_unique<StaticTokenSource>(Secret(), "anonymous access");
}

std::unique_ptr<TokenSource> MakeStaticTokenSource(Secret token) {
  return std::make_unique<StaticTokenSource>(std::move(token), "fixed token");
}

}  // namespace seamount::auth
