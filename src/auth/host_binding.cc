#include "auth/host_binding.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

bool IsUnder(const std::string& host, const std::string& domain) {
  return host == domain || (host.size() > domain.size() && host.ends_with("." + domain));
}

class BoundTokenSource final : public TokenSource {
 public:
  BoundTokenSource(std::unique_ptr<TokenSource> inner, HostBinding binding)
      : inner_(std::move(inner)), binding_(std::move(binding)) {}

  Result<Token> GetToken(const std::string& audience_url, const Secret& rejected, const CallContext& context) override {
    if (!binding_.Allows(audience_url)) {
      const auto url = net::ParseUrl(audience_url);
      return base::PermissionDenied("the " + Describe() + " is for " + binding_.Describe() + " and is not sent to " +
                                    (url ? url->Origin() : "a malformed URL") +
                                    ": use that server's own key, or correct --endpoint");
    }
    return inner_->GetToken(audience_url, rejected, context);
  }
  std::string Describe() const override { return inner_->Describe(); }

 private:
  const std::unique_ptr<TokenSource> inner_;
  const HostBinding binding_;
};

}  // namespace

HostBinding HostBinding::Google() { return {}; }

Result<HostBinding> HostBinding::Origin(const std::string& url) {
  SEAMOUNT_TRY_ASSIGN(const net::Url parsed, net::ParseUrl(url));
  HostBinding binding;
  binding.origins_.push_back(parsed.Origin());
  return binding;
}

Result<HostBinding> HostBinding::OfTokenUri(const std::string& token_uri, const std::vector<std::string>& endpoints) {
  SEAMOUNT_TRY_ASSIGN(const net::Url url, net::ParseUrl(token_uri));
  if (!IsUnder(url.host, "googleapis.com") && !IsUnder(url.host, "google.com")) {
    SEAMOUNT_TRY_ASSIGN(HostBinding binding, Origin(token_uri));
    for (const std::string& endpoint : endpoints) {
      SEAMOUNT_TRY_ASSIGN(const net::Url further, net::ParseUrl(endpoint));
      binding.origins_.push_back(further.Origin());
    }
    return binding;
  }
  if (url.scheme != "https")
    return base::InvalidArgument("token_uri '" + url.Origin() + "' is Google's, but not https");
  return Google();
}

bool HostBinding::Allows(const std::string& url) const {
  const auto parsed = net::ParseUrl(url);
  if (!parsed) return false;
  if (!is_google()) return std::find(origins_.begin(), origins_.end(), parsed->Origin()) != origins_.end();
  return parsed->scheme == "https" && parsed->port == 443 && IsUnder(parsed->host, "googleapis.com");
}

std::string HostBinding::Describe() const {
  return is_google() ? "https://*.googleapis.com" : base::Join(std::span<const std::string>(origins_), ", ");
}

std::unique_ptr<TokenSource> BindToHosts(std::unique_ptr<TokenSource> inner, HostBinding binding) {
  return std::make_unique<BoundTokenSource>(std::move(inner), std::move(binding));
}

}  // namespace seamount::auth
