#include "cli/google_project.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>

#include "auth/credentials.h"
#include "auth/service_account_key.h"
#include "gcs/admin.h"
#include "stores/open_store.h"

namespace seamount::cli {
namespace {

constexpr char kComputeEndpoint[] = "https://compute.googleapis.com/compute/v1";
// Waiting for an operation takes two minutes at a time, in which nothing is sent.
constexpr std::chrono::seconds kOperationStall(150);

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// As gcloud has it.
std::string ComputeEndpoint() {
  const std::string set = Variable("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE");
  return set.empty() ? kComputeEndpoint : set;
}

Result<std::string> ProjectOf(const GoogleFlags& flags) {
  if (!flags.project.empty()) return flags.project;
  const std::string file = flags.store.key.empty() ? Variable("GOOGLE_APPLICATION_CREDENTIALS") : flags.store.key;
  const auto key = auth::LoadServiceAccountKey(file);
  if (key && !key->project_id.empty()) return key->project_id;
  return base::InvalidArgument("which project of Google's is not known: say --project, or set GOOGLE_CLOUD_PROJECT");
}

}  // namespace

void AddTimeOption(CLI::App& command, const std::string& name, uint64_t& seconds, const std::string& what,
                   const std::string& shown_default) {
  command.add_option(name, seconds, what + ": 90s, 30min, 12h, 7d")
      ->type_name("TIME")
      ->default_str(shown_default)
      ->transform(
          CLI::AsNumberWithUnit(std::map<std::string, uint64_t>{{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}}));
}

void AddGoogleFlags(CLI::App& command, GoogleFlags& flags) {
  command.add_option("--cloud", flags.cloud, "Where: local (namespaces on this host) or gce (Google)")
      ->envname("SEAMOUNT_CLOUD")
      ->capture_default_str();
  command.add_option("--bucket", flags.bucket, "gce: the bucket that machines are written down in")
      ->envname("SEAMOUNT_BUCKET")
      ->type_name("gs://BUCKET");
  command.add_option("--project", flags.project, "gce: the project (default: the key's)")
      ->envname("GOOGLE_CLOUD_PROJECT");
  AddStoreFlags(command, flags.store);
}

Result<Google> OpenGoogle(const GoogleFlags& flags) {
  if (flags.cloud != "gce") {
    return base::InvalidArgument("--cloud '" + flags.cloud + "': expected local (this host) or gce (Google)");
  }
  if (flags.bucket.empty()) {
    return base::InvalidArgument(
        "machines at Google are written down in a bucket: name it with --bucket gs://BUCKET, or set SEAMOUNT_BUCKET");
  }
  SEAMOUNT_TRY_ASSIGN(const stores::StoreUrl url, stores::ParseStoreUrl(flags.bucket));
  if (url.scheme != "gs" || !url.path.empty()) {
    return base::InvalidArgument("--bucket '" + flags.bucket + "': expected a whole bucket, gs://BUCKET");
  }
  Google google{.bucket = url.bucket};
  SEAMOUNT_TRY_ASSIGN(google.project, ProjectOf(flags));
  const auto http = std::shared_ptr<net::HttpClient>(net::MakeCurlHttpClient({.stall_timeout = kOperationStall}));
  const std::string endpoint = stores::EndpointOf(ConfigFromFlags(flags.store));
  SEAMOUNT_TRY_ASSIGN(auto credentials,
                      auth::FindCredentials({.key_file = flags.store.key, .endpoint = endpoint}, *http));
  const auto signer = auth::MakeBearerSigner(std::move(credentials));
  SEAMOUNT_TRY_ASSIGN(const auto admin, gcs::AdminClient::Make(endpoint, google.project, http, signer));
  if (const auto location = admin->LocationOf(google.bucket, Interruptible())) google.bucket_location = *location;
  SEAMOUNT_TRY_ASSIGN(auto api, cloud::gce::ComputeApi::Make(ComputeEndpoint(), google.project, http, signer));
  SEAMOUNT_TRY_ASSIGN(auto store, OpenFromFlags("gs://" + google.bucket, flags.store));
  google.machines = std::make_unique<cloud::gce::Machines>(std::move(api), cloud::gce::Records(store), google.bucket);
  google.jobs = std::make_unique<cloud::gce::Jobs>(std::move(store));
  return google;
}

}  // namespace seamount::cli
