#include "stores/acting.h"

#include <nlohmann/json.hpp>

#include "gcs/admin_json.h"
#include "gcs/google.h"

namespace seamount::stores {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxAnswerBytes = 64 << 10;

// The e-mail address of whoever sets up.
Result<std::string> WhoIs(const Administrator& administrator, net::HttpClient& http, const CallContext& context) {
  const std::string service = gcs::GoogleService("openidconnect");
  SEAMOUNT_TRY_ASSIGN(const auto token, administrator.tokens->GetToken(service, {}, context));
  net::HttpRequest request{.url = service + "/v1/userinfo", .max_response_bytes = kMaxAnswerBytes};
  request.headers.Add("Authorization", "Bearer " + token.value.Reveal());
  SEAMOUNT_TRY_ASSIGN(const auto response, http.Send(request, context));
  if (response.status == 200) {
    SEAMOUNT_TRY_ASSIGN(const Json json, gcs::ObjectOf(response, "asking who sets up"));
    if (std::string email = gcs::TextOf(json, "email"); !email.empty()) return email;
  }
  return base::InvalidArgument(
      "who sets up, and shall act as the account, is not told by the login: name yourself with --user you@example.org");
}

}  // namespace

std::string ActingCredential(const std::string& email, const std::string& bucket, const gcs::Role& role) {
  const Json rule = {{"availableResource", "//storage.googleapis.com/projects/_/buckets/" + bucket},
                     {"availablePermissions", Json::array({"inRole:" + role.name})}};
  Json file = {
      {"type", "impersonated_service_account"},
      {"service_account_impersonation_url",
       gcs::GoogleService("iamcredentials") + "/v1/projects/-/serviceAccounts/" + email + ":generateAccessToken"},
      {"token_url", gcs::GoogleService("sts") + "/v1/token"},
      {"access_boundary", {{"accessBoundary", {{"accessBoundaryRules", Json::array({rule})}}}}}};
  return file.dump(2) + "\n";
}

Result<std::string> SetUpActing(const ActingOptions& options, NewKeyFile& file, net::HttpClient& http,
                                const CallContext& context) {
  if (!gcs::IsGoogle(options.administrator.endpoint)) {
    return base::InvalidArgument("without a key there is only Google's way (leave out --keyless)");
  }
  std::string email = options.user;
  if (email.empty()) {
    SEAMOUNT_TRY_ASSIGN(email, WhoIs(options.administrator, http, context));
  }
  const bool robot = email.ends_with(".gserviceaccount.com");
  std::string member = (robot ? "serviceAccount:" : "user:") + email;
  SEAMOUNT_TRY(
      options.administrator.client->GrantActing(options.account.email, member, options.account.created, context));
  SEAMOUNT_TRY(file.Write(auth::Secret(ActingCredential(options.account.email, options.bucket, options.role))));
  return member;
}

}  // namespace seamount::stores
