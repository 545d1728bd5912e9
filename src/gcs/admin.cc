#include "gcs/admin.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/encoding.h"
#include "gcs/admin_json.h"
#include "gcs/google.h"
#include "net/url.h"

namespace seamount::gcs {
namespace {

using Json = nlohmann::json;

// Google makes accounts and policies known to all its servers within about a minute; until then a new account is
// "invalid" or "does not exist". A policy changed meanwhile is read again.
constexpr auto kPropagation = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::seconds(2);

// Nothing is ever public, and what was deleted or overwritten by mistake comes back for a week, for as long as its
// space is paid.
void AddSafeguards(Json& bucket) {
  constexpr int kDays = 7;
  bucket["iamConfiguration"]["publicAccessPrevention"] = "enforced";
  bucket["softDeletePolicy"] = {{"retentionDurationSeconds", std::to_string(kDays * 24 * 3600)}};
  bucket["versioning"] = {{"enabled", true}};
  const Json old = {{"daysSinceNoncurrentTime", kDays}};
  bucket["lifecycle"] = {{"rule", Json::array({{{"action", {{"type", "Delete"}}}, {"condition", old}}})}};
}

}  // namespace

Result<std::unique_ptr<AdminClient>> AdminClient::Make(const std::string& endpoint, const std::string& project,
                                                       std::shared_ptr<net::HttpClient> http,
                                                       std::shared_ptr<auth::RequestSigner> signer,
                                                       base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(auto storage, ServiceClient::Make(endpoint, "", http, signer, clock));
  SEAMOUNT_TRY_ASSIGN(
      auto iam, ServiceClient::Make(IsGoogle(endpoint) ? GoogleService("iam") : endpoint, "", http, signer, clock));
  return std::unique_ptr<AdminClient>(new AdminClient(project, std::move(storage), std::move(iam), clock));
}

AdminClient::AdminClient(std::string project, std::unique_ptr<ServiceClient> storage,
                         std::unique_ptr<ServiceClient> iam, base::Clock& clock)
    : project_(std::move(project)), storage_(std::move(storage)), iam_(std::move(iam)), clock_(clock) {}

Result<net::HttpResponse> AdminClient::Send(const ServiceClient& client, const std::string& method,
                                            const std::string& url, const std::string& body,
                                            const CallContext& context) const {
  return client.Send(JsonRequest(method, url, body), context);
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
  Json body = {{"name", bucket}, {"iamConfiguration", {{"uniformBucketLevelAccess", {{"enabled", true}}}}}};
  // A server of ours has no such settings: there nothing is public until the bucket's policy says so.
  if (IsGoogle(storage_->UrlOf("/", {}))) AddSafeguards(body);
  if (!location.empty()) body["location"] = location;
  SEAMOUNT_TRY_ASSIGN(
      const auto made,
      Send(*storage_, "POST", storage_->UrlOf("/storage/v1/b", {{"project", project_}}), body.dump(), context));
  if (made.status == 409) return base::PreconditionFailed(what + ": the name is taken (choose another)");
  if (made.status != 200) return storage_->ErrorOf(made, what);
  return true;
}

Result<std::string> AdminClient::LocationOf(const std::string& bucket, const CallContext& context) {
  const std::string what = "asking where bucket '" + bucket + "' lies";
  const std::string path = "/storage/v1/b/" + base::PercentEncode(bucket);
  SEAMOUNT_TRY_ASSIGN(const auto response,
                      Send(*storage_, "GET", storage_->UrlOf(path, {{"fields", "location"}}), "", context));
  if (response.status != 200) return storage_->ErrorOf(response, what);
  SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
  return TextOf(json, "location");
}

Result<bool> AdminClient::GrantBucketRole(const std::string& bucket, const std::string& email, const std::string& role,
                                          bool may_be_new, const CallContext& context) {
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
    const bool unknown = written.body.view().find("does not exist") != std::string_view::npos;
    const bool refused = written.status == 400 && !(unknown && may_be_new);
    if (!may_pass || refused || clock_.Now() >= give_up) return storage_->ErrorOf(written, what);
    if (!clock_.SleepFor(kPause, context.stop)) return base::Cancelled(what + ": stop was requested");
  }
}

Result<std::vector<std::string>> AdminClient::RolesOn(const std::string& bucket, const std::string& email,
                                                      const CallContext& context) {
  const std::string what = "reading who may use bucket '" + bucket + "'";
  const std::string path = "/storage/v1/b/" + base::PercentEncode(bucket) + "/iam";
  SEAMOUNT_TRY_ASSIGN(
      const auto response,
      Send(*storage_, "GET", storage_->UrlOf(path, {{"optionsRequestedPolicyVersion", "3"}}), "", context));
  if (response.status != 200) return storage_->ErrorOf(response, what);
  SEAMOUNT_TRY_ASSIGN(const Json policy, ObjectOf(response, what));
  std::vector<std::string> roles;
  for (const Json& binding : policy.value("bindings", Json::array())) {
    if (!binding.is_object() || binding.contains("condition")) continue;
    const Json members = binding.value("members", Json::array());
    if (std::find(members.begin(), members.end(), Json("serviceAccount:" + email)) != members.end()) {
      roles.push_back(TextOf(binding, "role"));
    }
  }
  return roles;
}

Result<Rights> AdminClient::RightsOn(const std::string& bucket, const CallContext& context) {
  const std::string what = "asking for the rights on bucket '" + bucket + "'";
  const std::string path = "/storage/v1/b/" + base::PercentEncode(bucket) + "/iam/testPermissions";
  net::QueryParameters query;
  for (const NamedRight& named : kRights) query.emplace_back("permissions", named.permission);
  SEAMOUNT_TRY_ASSIGN(const auto response, Send(*storage_, "GET", storage_->UrlOf(path, query), "", context));
  if (response.status != 200) return storage_->ErrorOf(response, what);
  SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
  const Json granted = json.value("permissions", Json::array());
  Rights rights = 0;
  for (const NamedRight& named : kRights) {
    if (std::find(granted.begin(), granted.end(), Json(named.permission)) != granted.end()) rights |= named.right;
  }
  return rights;
}

Result<std::vector<std::string>> AdminClient::ListBuckets(const CallContext& context) {
  const std::string what = "listing the buckets of project '" + project_ + "'";
  std::vector<std::string> names;
  net::QueryParameters query = {{"project", project_}, {"fields", "nextPageToken,items/name"}};
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const auto response,
                        Send(*storage_, "GET", storage_->UrlOf("/storage/v1/b", query), "", context));
    if (response.status != 200) return storage_->ErrorOf(response, what);
    SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
    for (const Json& bucket : json.value("items", Json::array())) names.push_back(TextOf(bucket, "name"));
    const std::string page = TextOf(json, "nextPageToken");
    if (page.empty()) return names;
    query = {{"project", project_}, {"fields", "nextPageToken,items/name"}, {"pageToken", page}};
  }
}

}  // namespace seamount::gcs
