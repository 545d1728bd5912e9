// Who calls: the token endpoint (RFC 7523: a JWT signed by a service account's key buys an access token) and the check
// of the bearer token that every other request carries.
#include <algorithm>
#include <chrono>
#include <utility>

#include "auth/jwt.h"
#include "base/text.h"
#include "server/access_token.h"
#include "server/handlers.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

constexpr std::string_view kGrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer";
// What Google's own libraries write as the audience, whatever a key's token_uri says. A JWT for it is of no use there:
// Google does not know our keys.
constexpr char kGoogleAudience[] = "https://oauth2.googleapis.com/token";

// The address by which the client reached us, as an audience: only where it is this machine's own, as through a tunnel.
// Any other host is what the client claims, and a JWT that another server was given could be used here by claiming its
// name.
std::vector<std::string> LocalAudience(const std::string& host_url, std::initializer_list<std::string> paths) {
  const auto url = net::ParseUrl(host_url);
  std::vector<std::string> audiences;
  if (!url || !IsLoopback(url->host)) return audiences;
  for (const std::string& path : paths) audiences.push_back(host_url + path);
  return audiences;
}

// What a JWT is made for: one to buy a token with is not taken in a token's place, nor the reverse.
enum class Use { kGrant, kBearer };

// The audiences of which a JWT that `key` signed may name one.
std::vector<std::string> Audiences(const Service& service, Use use, const KeyRow& key, const std::string& host_url) {
  if (use == Use::kGrant) {
    std::vector<std::string> audiences = LocalAudience(host_url, {"/token"});
    audiences.insert(audiences.end(), {key.token_uri, kGoogleAudience});
    if (!service.public_url.empty()) audiences.push_back(service.public_url + "/token");
    return audiences;
  }
  std::vector<std::string> audiences = LocalAudience(host_url, {"", "/"});
  if (const auto url = net::ParseUrl(key.token_uri))
    audiences.insert(audiences.end(), {url->Origin(), url->Origin() + "/"});
  if (!service.public_url.empty()) audiences.insert(audiences.end(), {service.public_url, service.public_url + "/"});
  return audiences;
}

// The account and key that signed `jwt`. The reason why not is for the log and the caller; it says nothing that the
// caller does not know.
struct Signer {
  std::shared_ptr<const AccountRow> account;
  std::string key_id;
  bool reads_only = false;
};
Result<Signer> CheckSigner(Service& service, const auth::Jwt& jwt, Use use, const std::string& host_url) {
  const Error refused = base::Unauthenticated("account not found, disabled, or the key was deleted");
  const auto account = service.catalog.FindAccount(jwt.claims.issuer);
  if (!account || account->disabled) return refused;
  const auto key = account->keys.find(jwt.key_id);
  if (key == account->keys.end()) return refused;
  SEAMOUNT_TRY_ASSIGN(const auth::PublicKey public_key, auth::PublicKey::FromPem(key->second.public_key_pem));
  const std::vector<std::string> audiences = Audiences(service, use, key->second, host_url);
  // Our keys are known to no other server, so a JWT that names no audience is for us. It must have a scope that covers
  // storage (AIP-4111).
  const Scope scope = ScopeOf(base::Split(jwt.claims.scope, ' '));
  const bool scoped = use == Use::kBearer && jwt.claims.audience.empty() && scope != Scope::kNothing;
  const bool named = std::ranges::find(audiences, jwt.claims.audience) != audiences.end();
  if (!scoped && !named)
    return base::Unauthenticated("the token is for '" + jwt.claims.audience + "' (expected '" +
                                 (use == Use::kGrant ? key->second.token_uri : "this server's address") + "')");
  SEAMOUNT_TRY(auth::CheckJwt(jwt, public_key, jwt.claims.audience, service.clock.WallNow()));
  if (!jwt.claims.subject.empty() && jwt.claims.subject != account->email)
    return base::Unauthenticated("'sub' is another account: delegation is not supported");
  return Signer{account, jwt.key_id, scope == Scope::kReading};
}

}  // namespace

int64_t NowSeconds(Service& service) { return service.catalog.Now() / 1'000'000; }

ServerResponse NotKept(ServerResponse response) {
  response.headers.Add("Cache-Control", "no-store");
  return response;
}

ServerResponse RefuseToken(const std::string& error, const std::string& description) {
  return NotKept(JsonResponse(400, TokenErrorJson(error, description)));
}

Result<ServerResponse> GrantToken(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request));
  const auto form = net::ParseTarget("/?" + body);
  if (!form) return RefuseToken("invalid_request", "the body is not a form");
  if (form->Query("grant_type") == kExchangeGrantType) return ExchangeToken(service, *form);
  if (form->Query("grant_type") != kGrantType)
    return RefuseToken("unsupported_grant_type", "expected " + std::string(kGrantType));
  const auto jwt = auth::ParseJwt(form->Query("assertion").value_or(""));
  if (!jwt) return RefuseToken("invalid_grant", jwt.error().message());
  const auto signer = CheckSigner(service, *jwt, Use::kGrant, call.host_url);
  if (!signer) return RefuseToken("invalid_grant", signer.error().message());
  const std::string token =
      SignToken(service.catalog.token_secret(), {.email = signer->account->email,
                                                 .account_id = signer->account->unique_id,
                                                 .key_id = signer->key_id,
                                                 .expires_s = NowSeconds(service) + kTokenLifetimeS,
                                                 .reads_only = signer->reads_only});
  return NotKept(JsonResponse(200, TokenJson(token, kTokenLifetimeS)));
}

std::optional<Identity> IdentityOf(Service& service, const TokenClaims& claims) {
  const auto as_it_was = [&](const std::string& email, const std::string& id) -> std::shared_ptr<const AccountRow> {
    auto account = service.catalog.FindAccount(email);
    return account && !account->disabled && account->unique_id == id ? account : nullptr;
  };
  const bool acting = !claims.actor_email.empty();
  const auto account = as_it_was(claims.email, claims.account_id);
  const auto key_owner = acting ? as_it_was(claims.actor_email, claims.actor_id) : account;
  if (!account || !key_owner || !key_owner->keys.contains(claims.key_id)) return std::nullopt;
  if (acting && !key_owner->is_admin) return std::nullopt;  // as when it was made
  Identity identity{.email = account->email,
                    .is_admin = account->is_admin,
                    .account = account->unique_id,
                    .reads_only = claims.reads_only,
                    .key_id = claims.key_id,
                    .acting = acting};
  if (!claims.boundary.empty()) {
    const auto boundary = ParseBoundary(claims.boundary);
    if (!boundary) return std::nullopt;
    identity.boundary = std::make_shared<const Boundary>(*boundary);
  }
  return identity;
}

Result<Identity> Authenticate(Service& service, const ServerRequest& request, const std::string& host_url) {
  const auto header = request.headers.Get("authorization");
  if (!header) return Identity{};
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = header->size() > kScheme.size() &&
                      std::equal(kScheme.begin(), kScheme.end(), header->begin(),
                                 [](char a, char b) { return a == (b == ' ' ? b : static_cast<char>(b | 0x20)); });
  if (!bearer) return base::Unauthenticated("Authorization: expected a bearer token");
  const std::string_view token = header->substr(kScheme.size());
  const Error refused = base::Unauthenticated("Invalid Credentials");
  if (const auto claims = VerifyToken(service.catalog.token_secret(), token, NowSeconds(service))) {
    auto identity = IdentityOf(service, *claims);
    return identity ? *std::move(identity) : Result<Identity>(refused);
  }
  // A JWT that the key signed for this server itself, without the detour over the token endpoint.
  if (std::count(token.begin(), token.end(), '.') != 2) return refused;
  const auto jwt = auth::ParseJwt(token);
  if (!jwt) return refused;
  const auto signer = CheckSigner(service, *jwt, Use::kBearer, host_url);
  if (!signer) return refused;
  return Identity{.email = signer->account->email,
                  .is_admin = signer->account->is_admin,
                  .account = signer->account->unique_id,
                  .reads_only = signer->reads_only,
                  .key_id = signer->key_id};
}

}  // namespace seamount::server
