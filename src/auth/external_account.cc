#include "auth/external_account.h"

#include <nlohmann/json.hpp>

#include "auth/impersonated.h"
#include "auth/sts.h"
#include "auth/subject_token.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

constexpr const char* kScope = "https://www.googleapis.com/auth/cloud-platform";
constexpr const char* kActingScope =
    "https://www.googleapis.com/auth/iam";  // to act as an account, and for nothing else

class FederatedTokenSource final : public TokenSource {
 public:
  FederatedTokenSource(std::unique_ptr<SubjectTokenSource> subject, TokenExchange exchange, net::HttpClient& http,
                       base::Clock& clock)
      : subject_(std::move(subject)), exchange_(std::move(exchange)), http_(http), clock_(clock) {}

  Result<Token> GetToken(const std::string&, const Secret&, const CallContext& context) override {
    auto subject = subject_->Get(context);
    if (!subject) return subject.error().Wrap("getting the token of another identity provider");
    auto token = Exchange(exchange_, *subject, http_, clock_, context);
    if (!token) return token.error().Wrap("exchanging the token of another identity provider");
    return token;
  }
  std::string Describe() const override { return "federated identity of " + exchange_.audience; }

 private:
  const std::unique_ptr<SubjectTokenSource> subject_;
  const TokenExchange exchange_;
  net::HttpClient& http_;
  base::Clock& clock_;
};

// "…/serviceAccounts/EMAIL:generateAccessToken" → EMAIL; for what a program is told.
std::string EmailIn(const std::string& url) {
  const size_t begin = url.rfind('/') + 1, end = url.rfind(':');
  return end == std::string::npos || end < begin ? "" : url.substr(begin, end - begin);
}

}  // namespace

Result<std::unique_ptr<TokenSource>> MakeExternalAccountSource(const CredentialFields& fields, const std::string& name,
                                                               net::HttpClient& http, base::Clock& clock) {
  TokenExchange exchange{.scope = kScope,
                         .advice = "the pool may not know its issuer or audience, or the token has expired"};
  SEAMOUNT_TRY_ASSIGN(exchange.url, fields.Get("token_url"));
  SEAMOUNT_TRY_ASSIGN(exchange.audience, fields.Get("audience"));
  SEAMOUNT_TRY_ASSIGN(exchange.subject_token_type, fields.Get("subject_token_type"));
  std::string impersonation;
  if (fields.Has("service_account_impersonation_url")) {
    SEAMOUNT_TRY_ASSIGN(impersonation, fields.Get("service_account_impersonation_url"));
    exchange.scope = kActingScope;
  }
  if (fields.Has("workforce_pool_user_project")) {
    SEAMOUNT_TRY_ASSIGN(const std::string project, fields.Get("workforce_pool_user_project"));
    exchange.options = nlohmann::json{{"userProject", project}}.dump();
  }
  SEAMOUNT_TRY_ASSIGN(const CredentialFields source, fields.GetObject("credential_source"));
  SEAMOUNT_TRY_ASSIGN(auto subject, MakeSubjectTokenSource(source, name,
                                                           {.audience = exchange.audience,
                                                            .token_type = exchange.subject_token_type,
                                                            .impersonated_email = EmailIn(impersonation)},
                                                           http, clock));
  std::unique_ptr<TokenSource> federated =
      std::make_unique<FederatedTokenSource>(std::move(subject), std::move(exchange), http, clock);
  if (impersonation.empty()) return federated;
  auto acting = MakeImpersonatedTokenSource(std::move(federated), impersonation, {}, http, clock);
  if (!acting) return BadCredential(name, "field 'service_account_impersonation_url': " + acting.error().message());
  return acting;
}

}  // namespace seamount::auth
