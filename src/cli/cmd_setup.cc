// seamount setup: a bucket, an identity for it, and its key.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "net/http_client.h"
#include "stores/open_store.h"
#include "stores/setup.h"

namespace seamount::cli {
namespace {

struct SetupFlags {
  stores::SetupOptions options;
  std::string url;
  bool json = false;
};

void PrintNext(const stores::SetupOptions& options) {
  const std::string endpoint = options.endpoint.empty() ? "" : " --endpoint " + options.endpoint;
  const std::string argument = options.endpoint.empty() ? "" : ", endpoint=\"" + options.endpoint + "\"";
  std::printf("Next, as a folder:    seamount mount gs://%s FOLDER%s --key %s\n", options.bucket.c_str(),
              endpoint.c_str(), options.key_file.c_str());
  std::printf("      in a notebook:  seamount.Loader(\"gs://%s/DATA.zarr\", ...%s, key=\"%s\")\n",
              options.bucket.c_str(), argument.c_str(), options.key_file.c_str());
  std::printf("Whoever has the key file can read and write this bucket: treat it like a password.\n");
}

Result<int> Setup(const SetupFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const stores::StoreUrl url, stores::ParseStoreUrl(flags.url));
  if (url.scheme != "gs" || !url.path.empty())
    return base::InvalidArgument("'" + flags.url + "': setup makes whole buckets (expected gs://bucket)");
  stores::SetupOptions options = flags.options;
  options.bucket = url.bucket;
  const auto said = [&](const std::string& step) {
    if (!flags.json) std::printf("%s\n", step.c_str());
  };
  SEAMOUNT_TRY_ASSIGN(const stores::SetupReport report,
                      stores::SetUpBucket(options, net::MakeCurlHttpClient(), said, Interruptible()));
  if (!flags.json) {
    PrintNext(options);
    return kExitOk;
  }
  const nlohmann::json json = {{"bucket", options.bucket},
                               {"account", report.email},
                               {"key", options.key_file},
                               {"role", options.role},
                               {"created",
                                {{"bucket", report.bucket_created},
                                 {"account", report.account_created},
                                 {"role", report.role_granted},
                                 {"key", report.key_created}}}};
  std::printf("%s\n", json.dump(2).c_str());
  return kExitOk;
}

}  // namespace

void AddSetupCommand(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<SetupFlags>();
  CLI::App& command = AddCommand(
      app, "setup", "Make a bucket, a service account with rights on it alone, and its key file",
      "seamount setup gs://winds --endpoint http://127.0.0.1:9000 --admin-key lab/admin-key.json --key winds-key.json\n"
      "seamount setup gs://my-winds --project my-project --location europe-west3 --key winds-key.json");
  stores::SetupOptions& options = flags->options;
  command.add_option("URL", flags->url, "Bucket, as gs://bucket")->required();
  AddEndpointFlag(command, options.endpoint);
  command
      .add_option("--admin-key", options.admin_key_file, "Key of the administrator (default: what this machine has)")
      ->type_name("FILE");
  command.add_option("--key", options.key_file, "Where the new key goes; a key that is there is kept and tried")
      ->required()
      ->type_name("FILE");
  command.add_option("--project", options.project, "Cloud project (default: the administrator key's)");
  command.add_option("--location", options.location, "Region of a new bucket (default: the server's)");
  command.add_option("--account", options.account_id, "Name of the service account (default: after the bucket)");
  command.add_option("--role", options.role, "What the account may do in the bucket")->capture_default_str();
  AddJsonFlag(command, flags->json);
  OnChosen(command, chosen, [flags] { return Setup(*flags); });
}

}  // namespace seamount::cli
