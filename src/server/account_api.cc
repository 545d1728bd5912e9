// Service accounts and keys, in the shapes of the IAM API (https://cloud.google.com/iam/docs/reference/rest).
#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "server/accounts.h"
#include "server/handlers.h"
#include "server/json_text.h"

namespace seamount::server {

Result<std::shared_ptr<const AccountRow>> FindAccount(Service& service, const Call& call) {
  for (const auto& account : service.catalog.ListAccounts()) {
    const bool named = account->email == call.route.email || account->unique_id == call.route.email;
    if (named && (call.route.project == "-" || call.route.project == account->project)) return account;
  }
  return base::NotFound("service account " + call.route.email + " does not exist");
}

namespace {

// A project becomes part of emails, so it has the characters that a host name has.
Result<void> CheckProject(const std::string& project) {
  const bool good = !project.empty() && project.size() <= 63 && project != "-" &&
                    std::all_of(project.begin(), project.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
                    });
  if (good) return {};
  return base::InvalidArgument("project '" + project + "' (expected lower-case letters, digits, '-' and '.')");
}

}  // namespace

Result<ServerResponse> InsertAccount(Service& service, Call& call) {
  SEAMOUNT_TRY(CheckProject(call.route.project));
  SEAMOUNT_TRY_ASSIGN(const std::string text, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(const AccountBody body, ParseAccountBody(text));
  auto account = CreateAccount(service.catalog, call.route.project, body.account_id, body.display_name, false);
  if (!account && account.error().code() == ErrorCode::kPreconditionFailed)
    return JsonResponse(409, IamErrorJson(409, account.error().message()));
  if (!account) return std::move(account).error();
  return JsonResponse(200, AccountJson(**account));
}

Result<ServerResponse> ListAccounts(Service& service, Call& call) {
  auto accounts = service.catalog.ListAccounts();
  std::erase_if(accounts, [&](const auto& account) {
    return call.route.project != "-" && account->project != call.route.project;
  });
  return JsonResponse(200, AccountListJson(accounts));
}

Result<ServerResponse> GetAccount(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto account, FindAccount(service, call));
  return JsonResponse(200, AccountJson(*account));
}

Result<ServerResponse> DeleteAccount(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto account, FindAccount(service, call));
  if (account->is_admin) return base::InvalidArgument("the administrator's account cannot be deleted");
  SEAMOUNT_TRY(service.catalog.DeleteAccount(account->email));
  return JsonResponse(200, "{}");
}

Result<ServerResponse> SetAccountDisabled(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto account, FindAccount(service, call));
  if (account->is_admin) return base::InvalidArgument("the administrator's account cannot be disabled");
  const bool disable = call.route.operation == Operation::kDisableAccount;
  SEAMOUNT_TRY(service.catalog.SetAccountDisabled(account->email, disable));
  return JsonResponse(200, "{}");
}

Result<ServerResponse> InsertKey(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto account, FindAccount(service, call));
  SEAMOUNT_TRY_ASSIGN(const NewKey key, CreateKey(service.catalog, *account, call.base_url + "/token",
                                                  service.EndpointsBeside(call.base_url)));
  const std::string data = base::Base64Encode(base::AsBytes(key.file.Reveal()));
  return NotKept(JsonResponse(200, KeyJson(*account, key.row, &data)));
}

Result<ServerResponse> ListKeys(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto account, FindAccount(service, call));
  return JsonResponse(200, KeyListJson(*account));
}

Result<ServerResponse> GetKey(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto account, FindAccount(service, call));
  const auto key = account->keys.find(call.route.key);
  if (key == account->keys.end()) return base::NotFound("service account " + account->email + " has no such key");
  return JsonResponse(200, KeyJson(*account, key->second, nullptr));
}

Result<ServerResponse> DeleteKey(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto account, FindAccount(service, call));
  SEAMOUNT_TRY(service.catalog.DeleteKey(account->email, call.route.key));
  return JsonResponse(200, "{}");
}

}  // namespace seamount::server
