// Tokens out of tokens: narrowed ones (RFC 8693, as Google's Security Token Service has it for access boundaries), and
// such of another account that the administrator acts as (IAM's generateAccessToken). Neither lives longer than what it
// was made of, and neither needs a key where it is used.
#include <algorithm>
#include <chrono>

#include "base/encoding.h"
#include "gcs/wire.h"
#include "server/access_token.h"
#include "server/handlers.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

constexpr std::string_view kAccessToken = "urn:ietf:params:oauth:token-type:access_token";
// It goes along in each request's Authorization header.
constexpr size_t kMaxBoundaryBytes = 4 << 10;

// "3600s" as seconds, at most an hour; an hour where nothing is said.
Result<int64_t> LifetimeOf(const std::string& text) {
  if (text.empty()) return kTokenLifetimeS;
  const auto seconds =
      text.ends_with('s') ? gcs::ParseUint(std::string_view(text).substr(0, text.size() - 1)) : std::nullopt;
  if (!seconds || *seconds == 0 || *seconds > static_cast<uint64_t>(kTokenLifetimeS))
    return base::InvalidArgument("lifetime '" + text + "' (expected 1s to 3600s)");
  return static_cast<int64_t>(*seconds);
}

}  // namespace

Result<ServerResponse> ExchangeToken(Service& service, const net::RequestTarget& form) {
  const auto refuse = [](const std::string& why) { return RefuseToken("invalid_request", why); };
  if (form.Query("subject_token_type") != kAccessToken)
    return refuse("subject_token_type: expected " + std::string(kAccessToken));
  if (form.Query("requested_token_type").value_or(kAccessToken) != kAccessToken)
    return refuse("requested_token_type: expected " + std::string(kAccessToken));
  auto claims =
      VerifyToken(service.catalog.token_secret(), form.Query("subject_token").value_or(""), NowSeconds(service));
  if (!claims || !IdentityOf(service, *claims))
    return RefuseToken("invalid_grant", "subject_token: not good, or expired");
  if (!claims->boundary.empty()) return refuse("subject_token: is narrowed already");
  const auto decoded = base::PercentDecode(form.Query("options").value_or(""));
  const auto options = decoded ? CompactJson(*decoded) : Result<std::string>(decoded.error());
  if (!options) return refuse("options: " + options.error().message());
  if (options->size() > kMaxBoundaryBytes) return refuse("options: longer than 4 KiB");
  const auto boundary = ParseBoundary(*options);
  if (!boundary) return refuse(boundary.error().message());
  claims->boundary = *options;
  const std::string token = SignToken(service.catalog.token_secret(), *claims);
  return NotKept(JsonResponse(200, ExchangedTokenJson(token, claims->expires_s - NowSeconds(service))));
}

Result<ServerResponse> GenerateAccessToken(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto account, FindAccount(service, call));
  SEAMOUNT_TRY_ASSIGN(const std::string text, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(const ImpersonationBody body, ParseImpersonationBody(text));
  SEAMOUNT_TRY_ASSIGN(const int64_t lifetime, LifetimeOf(body.lifetime));
  if (body.delegates) return base::InvalidArgument("generateAccessToken: delegates are not supported");
  if (call.identity.acting)
    return base::PermissionDenied("a token that was made by acting as " + call.identity.email + " cannot act further");
  if (account->disabled) return base::PreconditionFailed("service account " + account->email + " is disabled");
  const Scope scope = ScopeOf(body.scopes);
  if (scope == Scope::kNothing) return base::InvalidArgument("generateAccessToken: no scope covers storage");
  const int64_t expires = NowSeconds(service) + lifetime;
  const std::string token = SignToken(service.catalog.token_secret(), {.email = account->email,
                                                                       .account_id = account->unique_id,
                                                                       .key_id = call.identity.key_id,
                                                                       .expires_s = expires,
                                                                       .reads_only = scope == Scope::kReading,
                                                                       .actor_email = call.identity.email,
                                                                       .actor_id = call.identity.account});
  return NotKept(JsonResponse(200, ImpersonationJson(token, base::SystemTime(std::chrono::seconds(expires)))));
}

}  // namespace seamount::server
