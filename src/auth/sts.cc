#include "auth/sts.h"

#include <algorithm>

#include "auth/token_response.h"
#include "base/encoding.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

class DownscopedTokenSource final : public TokenSource {
 public:
  DownscopedTokenSource(std::unique_ptr<TokenSource> inner, std::string access_boundary, std::string url,
                        net::HttpClient& http, base::Clock& clock)
      : inner_(std::move(inner)),
        access_boundary_(std::move(access_boundary)),
        url_(std::move(url)),
        http_(http),
        clock_(clock) {}

  Result<Token> GetToken(const std::string&, const Secret&, const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const net::Url url, net::ParseUrl(url_));
    SEAMOUNT_TRY_ASSIGN(const Token whole, inner_->GetToken(url.Origin(), {}, context));
    auto token = Exchange({.url = url_,
                           .subject_token_type = kAccessTokenType,
                           .options = access_boundary_,
                           .advice = "its access boundary may name a bucket that is not there"},
                          whole.value, http_, clock_, context);
    if (!token) return token.error().Wrap("narrowing the " + inner_->Describe());
    token->expires = std::min(token->expires, whole.expires);
    return token;
  }
  std::string Describe() const override { return inner_->Describe() + ", narrowed"; }

 private:
  const std::unique_ptr<TokenSource> inner_;
  const std::string access_boundary_;
  const std::string url_;
  net::HttpClient& http_;
  base::Clock& clock_;
};

}  // namespace

Result<Token> Exchange(const TokenExchange& exchange, const Secret& subject_token, net::HttpClient& http,
                       base::Clock& clock, const CallContext& context) {
  net::QueryParameters form = {{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
                               {"requested_token_type", kAccessTokenType},
                               {"subject_token", subject_token.Reveal()},
                               {"subject_token_type", exchange.subject_token_type}};
  if (!exchange.audience.empty()) form.emplace_back("audience", exchange.audience);
  if (!exchange.scope.empty()) form.emplace_back("scope", exchange.scope);
  if (!exchange.options.empty()) form.emplace_back("options", base::PercentEncode(exchange.options));
  return RequestToken(http, exchange.url, form, exchange.advice, clock, context);
}

std::unique_ptr<TokenSource> MakeDownscopedTokenSource(std::unique_ptr<TokenSource> inner, std::string access_boundary,
                                                       std::string url, net::HttpClient& http, base::Clock& clock) {
  return std::make_unique<DownscopedTokenSource>(std::move(inner), std::move(access_boundary), std::move(url), http,
                                                 clock);
}

}  // namespace seamount::auth
