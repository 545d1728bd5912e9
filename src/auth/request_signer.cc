#include "auth/request_signer.h"

#include <string_view>
#include <utility>

#include "net/url.h"

namespace seamount::auth {
namespace {

// Whether the URL is on that server. Most begin with its very text, which needs no parsing.
bool GoesTo(std::string_view audience_url, const std::string& url) {
  if (url.starts_with(audience_url) && url.substr(audience_url.size(), 1) == "/") return true;
  const auto parsed = net::ParseUrl(url);
  return parsed && parsed->Origin() == audience_url;
}

class BearerSigner final : public RequestSigner {
 public:
  explicit BearerSigner(std::shared_ptr<TokenSource> tokens) : tokens_(std::move(tokens)) {}

  Result<Secret> Sign(net::HttpRequest& request, const std::string& audience_url, const Secret& rejected,
                      const CallContext& context) override {
    if (!GoesTo(audience_url, request.url)) {
      return base::PermissionDenied("the " + Describe() + " is asked for by " + audience_url +
                                    " and is not sent to another server");
    }
    SEAMOUNT_TRY_ASSIGN(Token token, tokens_->GetToken(audience_url, rejected, context));
    if (!token.value.empty()) request.headers.Add("Authorization", "Bearer " + token.value.Reveal());
    return std::move(token.value);
  }
  std::string Describe() const override { return tokens_->Describe(); }

 private:
  const std::shared_ptr<TokenSource> tokens_;
};

}  // namespace

std::shared_ptr<RequestSigner> MakeBearerSigner(std::shared_ptr<TokenSource> tokens) {
  return std::make_shared<BearerSigner>(std::move(tokens));
}

}  // namespace seamount::auth
