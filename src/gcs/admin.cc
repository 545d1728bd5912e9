#include "gcs/admin.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/encoding.h"
#include "base/json_depth.h"
#include "net/url.h"

namespace seamount::gcs {
namespace {

using Json = nlohmann::json;

// Google makes accounts and policies known to all its servers within about a minute; until then a new account is
// "invalid" or "does not exist". A policy changed meanwhile is read again.
constexpr auto kPropagation = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::seconds(2);

net::RequestBody BodyOf(std::string text) {
  auto shared = std::make_shared<const std::string>(std::move(text));
  return {shared->size(), [shared](uint64_t offset, std::span<std::byte> into) -> Result<void> {
            std::memcpy(into.data(), shared->data() + offset, into.size());
            return {};
          }};
}

Result<Json> ObjectOf(const net::HttpResponse& response, const std::string& what) {
  if (base::NestsDeeper(response.body.view()))
    return base::Internal(what + ": the server's answer is nested deeper than 64 levels");
  Json json = Json::parse(response.body.view(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return base::Internal(what + ": the server's answer is not a JSON object");
  return json;
}

std::string TextOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

// True when `member` was added to an unconditional binding of `role`; false when it was there.
Result<bool> AddMember(Json& policy, const std::string& role, const std::string& member) {
  Json& bindings = policy["bindings"];
  if (bindings.is_null()) bindings = Json::array();
  if (!bindings.is_array()) return base::Internal("the bucket's policy: 'bindings' is not an array");
  for (Json& binding : bindings) {
    if (!binding.is_object() || TextOf(binding, "role") != role || binding.contains("condition")) continue;
    Json& members = binding["members"];
    if (!members.is_array()) return base::Internal("the bucket's policy: 'members' is not an array");
    if (std::find(members.begin(), members.end(), Json(member)) != members.end()) return false;
    members.push_back(member);
    return true;
  }
  bindings.push_back({{"role", role}, {"members", {member}}});
  return true;
}

}  // namespace

Result<std::unique_ptr<AdminClient>> AdminClient::Make(const std::string& endpoint, const std::string& project,
                                                       std::shared_ptr<net::HttpClient> http,
                                                       std::shared_ptr<auth::TokenSource> tokens, base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(const net::Url url, net::ParseUrl(endpoint));
  const bool google = url.host == "googleapis.com" || url.host.ends_with(".googleapis.com");
  SEAMOUNT_TRY_ASSIGN(auto storage, ServiceClient::Make(endpoint, "", http, tokens, clock));
  SEAMOUNT_TRY_ASSIGN(auto iam,
                      ServiceClient::Make(google ? "https://iam.googleapis.com" : endpoint, "", http, tokens, clock));
  return std::unique_ptr<AdminClient>(new AdminClient(project, std::move(storage), std::move(iam), clock));
}

AdminClient::AdminClient(std::string project, std::unique_ptr<ServiceClient> storage,
                         std::unique_ptr<ServiceClient> iam, base::Clock& clock)
    : project_(std::move(project)), storage_(std::move(storage)), iam_(std::move(iam)), clock_(clock) {}

Result<net::HttpResponse> AdminClient::Send(const ServiceClient& client, const std::string& method,
                                            const std::string& url, const std::string& body,
                                            const CallContext& context) const {
  net::HttpRequest request{.method = method, .url = url};
  if (!body.empty()) {
    request.headers.Add("Content-Type", "application/json");
    request.body = BodyOf(body);
  }
  return client.Send(std::move(request), context);
}

Result<bool> AdminClient::EnsureBucket(const std::string& bucket, const std::string& location,
                                       const CallContext& context) {
  const std::string what = "making bucket '" + bucket + "'";
  const std::string path = "/storage/v1/b/" + base::PercentEncode(bucket);
  SEAMOUNT_TRY_ASSIGN(const auto present, Send(*storage_, "GET", storage_->UrlOf(path, {}), "", context));
  if (present.status == 200) return false;
  if (present.status == 403)
    return base::PermissionDenied("bucket '" + bucket +
                                  "': it exists, but belongs to somebody else (choose another name)");
  if (present.status != 404) return storage_->ErrorOf(present, what);
  Json body = {{"name", bucket},
               {"iamConfiguration",
                {{"uniformBucketLevelAccess", {{"enabled", true}}}, {"publicAccessPrevention", "enforced"}}}};
  if (!location.empty()) body["location"] = location;
  SEAMOUNT_TRY_ASSIGN(
      const auto made,
      Send(*storage_, "POST", storage_->UrlOf("/storage/v1/b", {{"project", project_}}), body.dump(), context));
  if (made.status == 409) return base::PreconditionFailed(what + ": the name is taken (choose another)");
  if (made.status != 200) return storage_->ErrorOf(made, what);
  return true;
}

Result<std::optional<std::string>> AdminClient::FindAccount(const std::string& account_id, const CallContext& context) {
  const std::string what = "listing service accounts of project '" + project_ + "'";
  const std::string path = "/v1/projects/" + base::PercentEncode(project_) + "/serviceAccounts";
  std::string page;
  do {
    net::QueryParameters query = {{"pageSize", "100"}};
    if (!page.empty()) query.emplace_back("pageToken", page);
    SEAMOUNT_TRY_ASSIGN(const auto response, Send(*iam_, "GET", iam_->UrlOf(path, query), "", context));
    if (response.status != 200) return iam_->ErrorOf(response, what);
    SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
    for (const Json& account : json.value("accounts", Json::array())) {
      std::string email = account.is_object() ? TextOf(account, "email") : "";
      if (email.starts_with(account_id + "@")) return std::optional<std::string>(std::move(email));
    }
    page = TextOf(json, "nextPageToken");
  } while (!page.empty());
  return std::optional<std::string>();
}

Result<AdminClient::Account> AdminClient::EnsureAccount(const std::string& account_id, const std::string& display_name,
                                                        const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto present, FindAccount(account_id, context));
  if (present) return Account{*std::move(present), false};
  const std::string what = "making service account '" + account_id + "' in project '" + project_ + "'";
  const Json body = {{"accountId", account_id}, {"serviceAccount", {{"displayName", display_name}}}};
  const std::string path = "/v1/projects/" + base::PercentEncode(project_) + "/serviceAccounts";
  SEAMOUNT_TRY_ASSIGN(const auto response, Send(*iam_, "POST", iam_->UrlOf(path, {}), body.dump(), context));
  if (response.status != 200) return iam_->ErrorOf(response, what);
  SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
  std::string email = TextOf(json, "email");
  if (email.empty()) return base::Internal(what + ": the server's answer has no 'email'");
  return Account{std::move(email), true};
}

Result<bool> AdminClient::GrantBucketRole(const std::string& bucket, const std::string& email, const std::string& role,
                                          const CallContext& context) {
  const std::string what = "granting " + role + " on bucket '" + bucket + "' to " + email;
  const std::string path = "/storage/v1/b/" + base::PercentEncode(bucket) + "/iam";
  const base::SteadyTime give_up = clock_.Now() + kPropagation;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(
        const auto read,
        Send(*storage_, "GET", storage_->UrlOf(path, {{"optionsRequestedPolicyVersion", "3"}}), "", context));
    if (read.status != 200) return storage_->ErrorOf(read, what);
    SEAMOUNT_TRY_ASSIGN(Json policy, ObjectOf(read, what));
    SEAMOUNT_TRY_ASSIGN(const bool added, AddMember(policy, role, "serviceAccount:" + email));
    if (!added) return false;
    SEAMOUNT_TRY_ASSIGN(const auto written, Send(*storage_, "PUT", storage_->UrlOf(path, {}), policy.dump(), context));
    if (written.status == 200) return true;
    const bool may_pass = written.status == 400 || written.status == 409 || written.status == 412;
    // Only Google needs time to know an account; a server of ours refuses for good.
    const bool refused = written.status == 400 && written.body.view().find("does not exist") == std::string_view::npos;
    if (!may_pass || refused || clock_.Now() >= give_up) return storage_->ErrorOf(written, what);
    if (!clock_.SleepFor(kPause, context.stop)) return base::Cancelled(what + ": stop was requested");
  }
}

Result<AdminClient::NewKey> AdminClient::CreateKey(const std::string& email, const CallContext& context) {
  const std::string what = "making a key of " + email;
  const std::string path =
      "/v1/projects/" + base::PercentEncode(project_) + "/serviceAccounts/" + base::PercentEncode(email) + "/keys";
  const Json body = {{"privateKeyType", "TYPE_GOOGLE_CREDENTIALS_FILE"}, {"keyAlgorithm", "KEY_ALG_RSA_2048"}};
  SEAMOUNT_TRY_ASSIGN(const auto response, Send(*iam_, "POST", iam_->UrlOf(path, {}), body.dump(), context));
  if (response.status != 200) {
    const Error error = iam_->ErrorOf(response, what);
    if (response.body.view().find("disableServiceAccountKeyCreation") == std::string_view::npos) return error;
    return base::PermissionDenied(error.message() +
                                  ": the organisation forbids service-account keys (use a VM with the account "
                                  "attached, or ask its administrator)");
  }
  SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
  const std::string name = TextOf(json, "name");
  const auto file = base::Base64Decode(TextOf(json, "privateKeyData"));
  if (!file || file->empty()) return base::Internal(what + ": the server's answer has no 'privateKeyData'");
  return NewKey{name.substr(name.find_last_of('/') + 1),
                auth::Secret(std::string(reinterpret_cast<const char*>(file->data()), file->size()))};
}

Result<void> AdminClient::DeleteKey(const std::string& email, const std::string& key_id, const CallContext& context) {
  const std::string path = "/v1/projects/" + base::PercentEncode(project_) + "/serviceAccounts/" +
                           base::PercentEncode(email) + "/keys/" + base::PercentEncode(key_id);
  SEAMOUNT_TRY_ASSIGN(const auto response, Send(*iam_, "DELETE", iam_->UrlOf(path, {}), "", context));
  if (response.status != 200) return iam_->ErrorOf(response, "deleting key " + key_id + " of " + email);
  return {};
}

}  // namespace seamount::gcs
