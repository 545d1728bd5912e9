#include "stores/administrator.h"

#include <cstdlib>
#include <utility>

#include "auth/credentials.h"
#include "auth/service_account_key.h"
#include "stores/open_store.h"

namespace seamount::stores {
namespace {

constexpr char kWhoSetsUp[] =
    "this takes an administrator: name the key of one with --admin-key ('seamount serve' prints where its own lies), "
    "or log in (gcloud auth application-default login)";

Result<std::string> ProjectOf(const AdminOptions& options) {
  if (!options.project.empty()) return options.project;
  const char* found = std::getenv("GOOGLE_APPLICATION_CREDENTIALS");
  const std::string file = !options.admin_key_file.empty() ? options.admin_key_file : found ? found : "";
  if (file.empty()) return base::InvalidArgument(std::string(kWhoSetsUp) + ", and say the --project");
  auto key = auth::LoadServiceAccountKey(file);
  if (!key && key.error().code() == ErrorCode::kNotFound)
    return base::NotFound("--admin-key: there is no file '" + file + "' ('seamount serve' prints where its own lies)");
  if (!key) return key.error().Wrap("the administrator's key");
  if (!key->project_id.empty()) return key->project_id;
  return base::InvalidArgument("key file '" + file + "' names no project: say it with --project");
}

}  // namespace

Result<Administrator> FindAdministrator(const AdminOptions& options, std::shared_ptr<net::HttpClient> http) {
  SEAMOUNT_TRY_ASSIGN(const std::string project, ProjectOf(options));
  Administrator administrator{.endpoint =
                                  EndpointOf({.endpoint = options.endpoint, .key_file = options.admin_key_file})};
  auto found = auth::FindCredentials({.key_file = options.admin_key_file, .endpoint = administrator.endpoint}, *http);
  if (!found && found.error().code() == ErrorCode::kUnauthenticated) return base::Unauthenticated(kWhoSetsUp);
  if (!found) return std::move(found).error();
  administrator.tokens = *std::move(found);
  SEAMOUNT_TRY_ASSIGN(administrator.client, gcs::AdminClient::Make(administrator.endpoint, project, std::move(http),
                                                                   auth::MakeBearerSigner(administrator.tokens)));
  return administrator;
}

}  // namespace seamount::stores
