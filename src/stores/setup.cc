#include "stores/setup.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "auth/credential_account.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "gcs/admin.h"
#include "gcs/google.h"
#include "stores/acting.h"
#include "stores/key_file.h"
#include "stores/key_trial.h"

namespace seamount::stores {
namespace {

// gcs::Rights and keys that Google just gave out work everywhere after about a minute.
constexpr auto kPropagation = std::chrono::seconds(60);
// The account that the key file of an earlier run belongs to, or nothing where there is no such file or an empty one.
Result<std::string> AccountOfPresentKey(const std::string& key_file, const std::string& endpoint) {
  struct stat info {};
  if (::lstat(key_file.c_str(), &info) != 0 || (S_ISREG(info.st_mode) && info.st_size == 0)) return std::string();
  const auto account = auth::AccountOfCredential(key_file);
  if (!account) {
    return account.error().Wrap("--key: the file exists and is not a usable key (remove it, or name another)");
  }
  if (!account->binding.Allows(endpoint)) {
    return base::InvalidArgument(
        "--key: the file '" + key_file + "' exists and is a key for " + account->binding.Describe() + ", not for " +
        endpoint + " (name another file, or, if the server has moved, `seamount keys move " + key_file + " --to " +
        endpoint + "`; where its address changes at every start, serve with a fixed --port)");
  }
  return account->email;
}

// The key file of an earlier run names an account that is not known (any more), or not here.
Error OfAnotherProject(const Error& error, const std::string& key_file, const std::string& email) {
  constexpr std::string_view kEnd = ".iam.gserviceaccount.com";
  std::string project = email.substr(email.find('@') + 1);
  if (project.ends_with(kEnd)) project.resize(project.size() - kEnd.size());
  return error.Wrap("the key file '" + key_file + "' is there already, of account " + email + " in project '" +
                    project +
                    "' (name another file with --key for a new account and key; if the account was deleted, remove "
                    "the file)");
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

// False: the organisation forbids keys.
Result<bool> WriteNewKey(gcs::AdminClient& admin, const gcs::AdminClient::Account& account, NewKeyFile& file,
                         const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto key, admin.CreateKey(account.email, account.created, context));
  if (!key) return false;
  const auto written = file.Write(key->file);
  // Nobody has it, so nobody shall be able to use it.
  if (!written) {
    (void)admin.DeleteKey(account.email, key->id, context);
    return written.error();
  }
  return true;
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
  auto granted = admin->GrantBucketRole(options.bucket, report.email, role, /*may_be_new=*/!present, context);
  if (!granted && present) return OfAnotherProject(granted.error(), options.key_file, report.email);
  if (!granted) return granted.error();
  report.role_granted = *granted;
  said(role + " on this bucket only" + (report.role_granted ? ": granted" : ": granted already"));

  if (present) {
    said("key file " + options.key_file + ": exists already, of " + report.email);
  } else {
    report.keyless = options.keyless;
    if (!options.keyless) {
      SEAMOUNT_TRY_ASSIGN(const bool made, WriteNewKey(*admin, account, *file, context));
      report.keyless = !made;
      if (!made) said("the organisation forbids keys: going on without one");
    }
    if (report.keyless) {
      SEAMOUNT_TRY_ASSIGN(report.user, SetUpActing({.administrator = administrator,
                                                    .account = account,
                                                    .bucket = options.bucket,
                                                    .role = report.role,
                                                    .user = options.user},
                                                   *file, *http, context));
      said(report.user + " may act as the account");
    }
    report.key_created = true;
    said((report.keyless ? "credential file (without a secret) " : "key file ") + options.key_file +
         ": written, mode 0600");
  }
  const bool is_new = report.role_granted || report.key_created;
  const bool google = gcs::IsGoogle(endpoint);
  TrialOptions trial{.bucket = options.bucket, .endpoint = endpoint, .key_file = options.key_file, .role = report.role};
  if (is_new && google) trial.patience = base::RealClock().Now() + kPropagation;
  SEAMOUNT_TRY_ASSIGN(const std::string found, TryKey(trial, http, context));
  said(found);
  return report;
}

}  // namespace seamount::stores
