#include "auth/impersonated.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "auth/token_response.h"
#include "base/encoding.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

constexpr const char* kScope = "https://www.googleapis.com/auth/cloud-platform";
constexpr std::string_view kBeforeEmail = "/serviceAccounts/", kAfterEmail = ":generateAccessToken";

class ImpersonatedTokenSource final : public TokenSource {
 public:
  ImpersonatedTokenSource(std::unique_ptr<TokenSource> inner, const net::Url& url, std::string email,
                          std::vector<std::string> delegates, net::HttpClient& http, base::Clock& clock)
      : inner_(std::move(inner)),
        origin_(url.Origin()),
        url_(url.ToString()),
        email_(std::move(email)),
        delegates_(std::move(delegates)),
        http_(http),
        clock_(clock) {}

  Result<Token> GetToken(const std::string&, const Secret&, const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Token own, inner_->GetToken(origin_, {}, context));
    nlohmann::json body = {{"scope", nlohmann::json::array({kScope})}, {"lifetime", "3600s"}};
    if (!delegates_.empty()) body["delegates"] = delegates_;
    const std::string text = body.dump();
    net::HttpRequest request{.method = "POST", .url = url_, .max_response_bytes = kMaxTokenResponseBytes};
    request.headers.Add("Content-Type", "application/json");
    request.headers.Add("Authorization", "Bearer " + own.value.Reveal());
    request.body = net::RequestBody{.size = text.size(),
                                    .read_at = [&text](uint64_t offset, std::span<std::byte> into) -> Result<void> {
                                      std::memcpy(into.data(), text.data() + offset, into.size());
                                      return {};
                                    }};
    auto response = http_.Send(request, context);
    if (!response) return response.error().Wrap("acting as " + email_);
    auto token = ReadIamTokenResponse(*response,
                                      "it takes roles/iam.serviceAccountTokenCreator on that account, which works a "
                                      "minute after it was granted",
                                      clock_);
    if (!token) return token.error().Wrap("acting as " + email_ + " by the " + inner_->Describe());
    return token;
  }
  std::string Describe() const override { return "right to act as " + email_; }

 private:
  const std::unique_ptr<TokenSource> inner_;
  const std::string origin_, url_, email_;
  const std::vector<std::string> delegates_;
  net::HttpClient& http_;
  base::Clock& clock_;
};

}  // namespace

Result<std::unique_ptr<TokenSource>> MakeImpersonatedTokenSource(std::unique_ptr<TokenSource> inner,
                                                                 const std::string& url,
                                                                 std::vector<std::string> delegates,
                                                                 net::HttpClient& http, base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(const net::Url parsed, net::ParseUrl(url));
  const size_t begin = parsed.path.find(kBeforeEmail);
  if (begin == std::string::npos || !parsed.path.ends_with(kAfterEmail)) {
    return base::InvalidArgument("'" + url + "' (expected …/serviceAccounts/EMAIL:generateAccessToken)");
  }
  const size_t email = begin + kBeforeEmail.size();
  SEAMOUNT_TRY_ASSIGN(std::string name,
                      base::PercentDecode(parsed.path.substr(email, parsed.path.size() - kAfterEmail.size() - email)));
  return std::unique_ptr<TokenSource>(std::make_unique<ImpersonatedTokenSource>(
      std::move(inner), parsed, std::move(name), std::move(delegates), http, clock));
}

}  // namespace seamount::auth
