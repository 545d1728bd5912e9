// The part of AdminClient that speaks to IAM: service accounts and their keys.
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "gcs/admin.h"
#include "gcs/admin_json.h"

namespace seamount::gcs {
namespace {

using Json = nlohmann::json;

// Google makes an account known to all its servers within about a minute.
constexpr auto kPropagation = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::seconds(2);

std::string LastPart(const std::string& name) { return name.substr(name.find_last_of('/') + 1); }

}  // namespace

std::string AdminClient::AccountPath(const std::string& email) const {
  const std::string all = "/v1/projects/" + base::PercentEncode(project_) + "/serviceAccounts";
  return email.empty() ? all : all + "/" + base::PercentEncode(email);
}

Result<std::vector<AdminClient::AccountInfo>> AdminClient::ListAccounts(const CallContext& context) {
  const std::string what = "listing service accounts of project '" + project_ + "'";
  std::vector<AccountInfo> accounts;
  std::string page;
  do {
    net::QueryParameters query = {{"pageSize", "100"}};
    if (!page.empty()) query.emplace_back("pageToken", page);
    SEAMOUNT_TRY_ASSIGN(const auto response, Send(*iam_, "GET", iam_->UrlOf(AccountPath(""), query), "", context));
    if (response.status != 200) return iam_->ErrorOf(response, what);
    SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
    for (const Json& account : json.value("accounts", Json::array())) {
      const auto disabled = account.is_object() ? account.find("disabled") : account.end();
      accounts.push_back({.email = TextOf(account, "email"),
                          .display_name = TextOf(account, "displayName"),
                          .disabled = disabled != account.end() && *disabled == true});
    }
    page = TextOf(json, "nextPageToken");
  } while (!page.empty());
  return accounts;
}

Result<AdminClient::Account> AdminClient::EnsureAccount(const std::string& account_id, const std::string& display_name,
                                                        const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto accounts, ListAccounts(context));
  for (const AccountInfo& account : accounts) {
    if (account.email.starts_with(account_id + "@")) return Account{account.email, false};
  }
  const std::string what = "making service account '" + account_id + "' in project '" + project_ + "'";
  const Json body = {{"accountId", account_id}, {"serviceAccount", {{"displayName", display_name}}}};
  SEAMOUNT_TRY_ASSIGN(const auto response, Send(*iam_, "POST", iam_->UrlOf(AccountPath(""), {}), body.dump(), context));
  if (response.status != 200) return iam_->ErrorOf(response, what);
  SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
  std::string email = TextOf(json, "email");
  if (email.empty()) return base::Internal(what + ": the server's answer has no 'email'");
  return Account{std::move(email), true};
}

Result<void> AdminClient::DisableAccount(const std::string& email, bool disabled, const CallContext& context) {
  const std::string verb = disabled ? ":disable" : ":enable";
  SEAMOUNT_TRY_ASSIGN(const auto response,
                      Send(*iam_, "POST", iam_->UrlOf(AccountPath(email) + verb, {}), "{}", context));
  if (response.status != 200) return iam_->ErrorOf(response, (disabled ? "disabling " : "enabling ") + email);
  return {};
}

Result<void> AdminClient::DeleteAccount(const std::string& email, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto response, Send(*iam_, "DELETE", iam_->UrlOf(AccountPath(email), {}), "", context));
  if (response.status != 200) return iam_->ErrorOf(response, "deleting " + email);
  return {};
}

Result<std::optional<AdminClient::NewKey>> AdminClient::CreateKey(const std::string& email, bool just_made,
                                                                  const CallContext& context) {
  const std::string what = "making a key of " + email;
  const Json body = {{"privateKeyType", "TYPE_GOOGLE_CREDENTIALS_FILE"}, {"keyAlgorithm", "KEY_ALG_RSA_2048"}};
  const base::SteadyTime give_up = clock_.Now() + kPropagation;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const auto response,
                        Send(*iam_, "POST", iam_->UrlOf(AccountPath(email) + "/keys", {}), body.dump(), context));
    if (response.status == 404 && just_made && clock_.Now() < give_up) {
      if (!clock_.SleepFor(kPause, context.stop)) return base::Cancelled(what + ": stop was requested");
      continue;
    }
    if (response.status != 200) {
      const bool forbidden = response.body.view().find("KeyCreation") != std::string_view::npos;
      if (forbidden) return std::optional<NewKey>();  // constraints/iam.disableServiceAccountKeyCreation, or its heir
      return iam_->ErrorOf(response, what);
    }
    SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
    const auto file = base::Base64Decode(TextOf(json, "privateKeyData"));
    if (!file || file->empty()) return base::Internal(what + ": the server's answer has no 'privateKeyData'");
    return std::optional(NewKey{LastPart(TextOf(json, "name")),
                                auth::Secret(std::string(reinterpret_cast<const char*>(file->data()), file->size()))});
  }
}

Result<bool> AdminClient::GrantActing(const std::string& email, const std::string& member, bool just_made,
                                      const CallContext& context) {
  const std::string what = "letting " + member + " act as " + email;
  const base::SteadyTime give_up = clock_.Now() + kPropagation;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const auto read,
                        Send(*iam_, "POST", iam_->UrlOf(AccountPath(email) + ":getIamPolicy", {}), "{}", context));
    const bool not_yet = read.status == 404 && just_made;
    if (read.status != 200 && !not_yet) return iam_->ErrorOf(read, what);
    if (!not_yet) {
      SEAMOUNT_TRY_ASSIGN(Json policy, ObjectOf(read, what));
      SEAMOUNT_TRY_ASSIGN(const bool added, AddMember(policy, "roles/iam.serviceAccountTokenCreator", member));
      if (!added) return false;
      const Json body = {{"policy", policy}};
      SEAMOUNT_TRY_ASSIGN(const auto written, Send(*iam_, "POST", iam_->UrlOf(AccountPath(email) + ":setIamPolicy", {}),
                                                   body.dump(), context));
      if (written.status == 200) return true;
      const bool changed = written.status == 409 || written.status == 412;  // by somebody else meanwhile
      if (!changed) return iam_->ErrorOf(written, what);
    }
    if (clock_.Now() >= give_up) return iam_->ErrorOf(read, what);
    if (!clock_.SleepFor(kPause, context.stop)) return base::Cancelled(what + ": stop was requested");
  }
}

Result<std::vector<AdminClient::KeyInfo>> AdminClient::ListKeys(const std::string& email, const CallContext& context) {
  const std::string what = "listing the keys of " + email;
  const net::QueryParameters query = {{"keyTypes", "USER_MANAGED"}};  // Google's own are no file anywhere
  SEAMOUNT_TRY_ASSIGN(const auto response,
                      Send(*iam_, "GET", iam_->UrlOf(AccountPath(email) + "/keys", query), "", context));
  if (response.status != 200) return iam_->ErrorOf(response, what);
  SEAMOUNT_TRY_ASSIGN(const Json json, ObjectOf(response, what));
  std::vector<KeyInfo> keys;
  for (const Json& key : json.value("keys", Json::array())) {
    keys.push_back({.id = LastPart(TextOf(key, "name")), .made = TextOf(key, "validAfterTime")});
  }
  return keys;
}

Result<void> AdminClient::DeleteKey(const std::string& email, const std::string& key_id, const CallContext& context) {
  const std::string path = AccountPath(email) + "/keys/" + base::PercentEncode(key_id);
  SEAMOUNT_TRY_ASSIGN(const auto response, Send(*iam_, "DELETE", iam_->UrlOf(path, {}), "", context));
  if (response.status != 200) return iam_->ErrorOf(response, "deleting key " + key_id + " of " + email);
  return {};
}

}  // namespace seamount::gcs
