#include "stores/setup.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "auth/credentials.h"
#include "auth/host_binding.h"
#include "auth/service_account_key.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "gcs/admin.h"
#include "stores/key_file.h"
#include "stores/key_trial.h"
#include "stores/open_store.h"

namespace seamount::stores {
namespace {

// gcs::Rights and keys that Google just gave out work everywhere after about a minute.
constexpr auto kPropagation = std::chrono::seconds(60);
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

// The account that the key file of an earlier run belongs to, or nothing where there is no such file or an empty one.
Result<std::string> AccountOfPresentKey(const std::string& key_file, const std::string& endpoint) {
  struct stat info {};
  if (::lstat(key_file.c_str(), &info) != 0 || (S_ISREG(info.st_mode) && info.st_size == 0)) return std::string();
  auto key = auth::LoadServiceAccountKey(key_file);
  if (!key) return key.error().Wrap("--key: the file exists and is not a usable key (remove it, or name another)");
  SEAMOUNT_TRY_ASSIGN(const auto binding, auth::HostBinding::OfTokenUri(key->token_uri, key->endpoints));
  if (!binding.Allows(endpoint)) {
    return base::InvalidArgument(
        "--key: the file '" + key_file + "' exists and is a key for " + binding.Describe() + ", not for " + endpoint +
        " (name another file, or, if the server has moved, `seamount keys move " + key_file + " --to " + endpoint +
        "`; where its address changes at every start, serve with a fixed --port)");
  }
  return key->client_email;
}

// Refuses an account that can do more in the bucket than the role asked for: its key would, too.
Result<void> CheckOtherRoles(gcs::AdminClient& admin, const std::string& bucket, const std::string& email,
                             const gcs::Role& role, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto present, admin.RolesOn(bucket, email, context));
  for (const std::string& name : present) {
    if (name == role.name) continue;
    const auto other = gcs::FindRole(name);
    const gcs::Rights more = other ? other->rights & ~role.rights : 1U;
    if (more == 0) continue;
    return base::PreconditionFailed("account " + email + " has " + name + " on bucket '" + bucket +
                                    "' already: a key of it may also " + (other ? gcs::Describe(more) : "do that") +
                                    ", which " + role.name + " does not give (name another account with --account)");
  }
  return {};
}

Result<void> WriteNewKey(gcs::AdminClient& admin, const gcs::AdminClient::Account& account, NewKeyFile& file,
                         const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto key, admin.CreateKey(account.email, account.created, context));
  auto written = file.Write(key.file);
  // Nobody has it, so nobody shall be able to use it.
  if (!written) (void)admin.DeleteKey(account.email, key.id, context);
  return written;
}

}  // namespace

std::string AccountIdOf(const std::string& bucket, const gcs::Role& role) {
  constexpr size_t kLongest = 30, kChecksum = 9, kLongestRole = 11;
  const std::string suffix = role.nickname == "writer" ? "" : "-" + role.nickname.substr(0, kLongestRole);
  std::string id = "sm-" + bucket;
  std::string end = suffix;
  for (std::string* text : {&id, &end}) {
    for (char& c : *text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '-';
    }
  }
  if (suffix.empty() && id == "sm-" + bucket && id.size() <= kLongest) return id;
  const std::string whole = suffix.empty() ? bucket : bucket + "/" + role.name;
  const uint32_t crc = base::Crc32c(base::AsBytes(whole));
  const std::array<std::byte, 4> bytes = {std::byte(crc >> 24), std::byte(crc >> 16), std::byte(crc >> 8),
                                          std::byte(crc)};
  return id.substr(0, kLongest - kChecksum - end.size()) + end + "-" + base::HexEncode(bytes);
}

Result<Administrator> FindAdministrator(const AdminOptions& options, std::shared_ptr<net::HttpClient> http) {
  SEAMOUNT_TRY_ASSIGN(const std::string project, ProjectOf(options));
  Administrator administrator{.endpoint =
                                  EndpointOf({.endpoint = options.endpoint, .key_file = options.admin_key_file})};
  auto found = auth::FindCredentials({.key_file = options.admin_key_file, .endpoint = administrator.endpoint}, *http);
  if (!found && found.error().code() == ErrorCode::kUnauthenticated) return base::Unauthenticated(kWhoSetsUp);
  if (!found) return std::move(found).error();
  SEAMOUNT_TRY_ASSIGN(administrator.client, gcs::AdminClient::Make(administrator.endpoint, project, std::move(http),
                                                                   auth::MakeBearerSigner(*std::move(found))));
  return administrator;
}

Result<SetupReport> SetUpBucket(const SetupOptions& options, std::shared_ptr<net::HttpClient> http,
                                const std::function<void(const std::string&)>& said, const CallContext& context) {
  if (options.key_file.empty()) return base::InvalidArgument("where the key goes is not known (--key)");
  SetupReport report;
  SEAMOUNT_TRY_ASSIGN(report.role, gcs::FindRole(options.role));
  SEAMOUNT_TRY_ASSIGN(const Administrator administrator, FindAdministrator(options.admin, http));
  const auto& admin = administrator.client;
  const std::string& endpoint = administrator.endpoint;
  report.endpoint = endpoint;
  SEAMOUNT_TRY_ASSIGN(report.email, AccountOfPresentKey(options.key_file, endpoint));
  const bool present = !report.email.empty();
  std::optional<NewKeyFile> file;
  if (!present) {
    SEAMOUNT_TRY_ASSIGN(NewKeyFile made, NewKeyFile::Make(options.key_file));
    file.emplace(std::move(made));
  }

  SEAMOUNT_TRY_ASSIGN(report.bucket_created, admin->EnsureBucket(options.bucket, options.location, context));
  said("bucket gs://" + options.bucket + (report.bucket_created ? ": made" : ": exists already"));

  gcs::AdminClient::Account account{.email = report.email};
  if (!present) {
    const std::string id = options.account_id.empty() ? AccountIdOf(options.bucket, report.role) : options.account_id;
    const std::string display_name = "Seamount: " + report.role.nickname + " of bucket " + options.bucket;
    SEAMOUNT_TRY_ASSIGN(account, admin->EnsureAccount(id, display_name, context));
    report.email = account.email;
    report.account_created = account.created;
    said("service account " + report.email + (account.created ? ": made" : ": exists already"));
  }
  SEAMOUNT_TRY(CheckOtherRoles(*admin, options.bucket, report.email, report.role, context));
  const std::string& role = report.role.name;
  SEAMOUNT_TRY_ASSIGN(report.role_granted, admin->GrantBucketRole(options.bucket, report.email, role, context));
  said(role + " on this bucket only" + (report.role_granted ? ": granted" : ": granted already"));

  if (present) {
    said("key file " + options.key_file + ": exists already, of " + report.email);
  } else {
    SEAMOUNT_TRY(WriteNewKey(*admin, account, *file, context));
    report.key_created = true;
    said("key file " + options.key_file + ": written, mode 0600");
  }
  const bool is_new = report.role_granted || report.key_created;
  const bool google = endpoint.find(".googleapis.com") != std::string::npos;
  TrialOptions trial{.bucket = options.bucket, .endpoint = endpoint, .key_file = options.key_file, .role = report.role};
  if (is_new && google) trial.patience = base::RealClock().Now() + kPropagation;
  SEAMOUNT_TRY_ASSIGN(const std::string found, TryKey(trial, http, context));
  said(found);
  return report;
}

}  // namespace seamount::stores
