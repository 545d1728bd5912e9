// seamount setup: a bucket, an identity for it, and its key.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/admin_flags.h"
#include "cli/command.h"
#include "net/http_client.h"
#include "stores/key_file.h"
#include "stores/open_store.h"
#include "stores/setup.h"

namespace seamount::cli {
namespace {

struct SetupFlags {
  stores::SetupOptions options;
  std::string url;
  bool json = false;
};

void PrintNext(const stores::SetupOptions& options, const stores::SetupReport& report) {
  const gcs::Rights rights = report.role.rights;
  const char* bucket = options.bucket.c_str();
  const char* key = options.key_file.c_str();
  const char* trusted = std::getenv("SEAMOUNT_CA");  // --ca, too, is there
  const std::string ca = trusted != nullptr ? std::string(" --ca ") + trusted : "";
  if ((rights & gcs::kMayList) == 0) {
    std::printf("Next:                 seamount cp FILE gs://%s/ --key %s%s\n", bucket, key, ca.c_str());
  } else {
    const char* read_only = (rights & gcs::kMayDelete) == 0 ? " --read-only" : "";
    std::printf("Next, as a folder:    seamount mount gs://%s FOLDER --key %s%s%s\n", bucket, key, ca.c_str(),
                read_only);
    std::printf("      in a notebook:  seamount.Loader(\"gs://%s/DATA.zarr\", ..., key=\"%s\")\n", bucket, key);
    if (trusted != nullptr) std::printf("                      (with SEAMOUNT_CA=%s in its environment)\n", trusted);
  }
  if (report.keyless) {
    std::printf(
        "The file holds no secret: on each machine, %s logs in (gcloud auth application-default login), and gets\n"
        "tokens of an hour that may %s in this bucket.\n",
        report.user.empty() ? "who may act as the account" : report.user.c_str(), gcs::Describe(rights).c_str());
    return;
  }
  std::printf("Whoever has the key file may %s in this bucket: treat it like a password.\n",
              gcs::Describe(rights).c_str());
}

Result<int> Setup(const SetupFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const stores::StoreUrl url, stores::ParseStoreUrl(flags.url));
  if (url.scheme != "gs" || !url.path.empty())
    return base::InvalidArgument("'" + flags.url + "': setup makes whole buckets (expected gs://bucket)");
  stores::SetupOptions options = flags.options;
  options.bucket = url.bucket;
  if (const std::string tree = stores::GitWorkTreeOf(options.key_file); !tree.empty()) {
    std::fprintf(stderr,
                 "seamount setup: '%s' lies in a git work tree: put it into %s/.gitignore, and never commit it\n",
                 options.key_file.c_str(), tree.c_str());
  }
  const auto said = [&](const std::string& step) {
    if (!flags.json) std::printf("%s\n", step.c_str());
  };
  SEAMOUNT_TRY_ASSIGN(const stores::SetupReport report,
                      stores::SetUpBucket(options, net::MakeCurlHttpClient(), said, Interruptible()));
  if (!flags.json) {
    PrintNext(options, report);
    return kExitOk;
  }
  const nlohmann::json json = {{"bucket", options.bucket},
                               {"account", report.email},
                               {"key", options.key_file},
                               {"role", report.role.name},
                               {"endpoint", report.endpoint},
                               {"keyless", report.keyless},
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
  CLI::App& command =
      AddCommand(app, "setup", "Make a bucket, a service account with rights on it alone, and its key file",
                 "seamount setup gs://winds --admin-key lab/admin-key.json --key winds-key.json\n"
                 "seamount setup gs://winds --admin-key lab/admin-key.json --key guest-key.json --role reader\n"
                 "seamount setup gs://my-winds --project my-project --location europe-west3 --key winds-key.json\n"
                 "seamount setup gs://my-winds --project my-project --keyless --key winds.json");
  stores::SetupOptions& options = flags->options;
  command.add_option("URL", flags->url, "Bucket, as gs://bucket")->required();
  AddAdminFlags(command, options.admin);
  command.add_option("--key", options.key_file, "Where the new key goes; a key that is there is kept and tried")
      ->required()
      ->type_name("FILE");
  command.add_option("--location", options.location, "Region of a new bucket (default: the server's)");
  command.add_option("--account", options.account_id, "Name of the service account (default: after bucket and role)");
  command
      .add_option("--role", options.role,
                  "What the key may do in the bucket: reader (list and read), creator (add, and nothing else), writer, "
                  "admin, or a role of the storage's by its full name")
      ->capture_default_str();
  command.add_flag("--keyless", options.keyless,
                   "Google: no key, but a file by which you act as the account (also taken where keys are forbidden)");
  command.add_option("--user", options.user, "Google: who may act as the account (default: whoever sets up)")
      ->type_name("EMAIL");
  AddJsonFlag(command, flags->json);
  OnChosen(command, chosen, [flags] { return Setup(*flags); });
}

}  // namespace seamount::cli
