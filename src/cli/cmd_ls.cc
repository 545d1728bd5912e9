// seamount ls: what a bucket holds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "net/http_client.h"
#include "stores/setup.h"

namespace seamount::cli {
namespace {

struct LsOptions {
  StoreFlags store;
  std::string url;
  bool long_form = false, recursive = false, json = false;
};

std::string Timestamp(base::SystemTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

// Prints objects and prefixes as they come, page by page, so that a bucket of any size can be listed.
class Printer {
 public:
  Printer(const LsOptions& options, std::string root) : options_(options), root_(std::move(root)) {}

  void Object(const store::ObjectInfo& object) {
    ++objects_;
    bytes_ += object.size_bytes;
    if (options_.json) {
      PrintJson({{"url", root_ + object.key},
                 {"size", object.size_bytes},
                 {"generation", object.generation.text()},
                 {"updated", Timestamp(object.updated)},
                 {"metadata", object.metadata}});
    } else if (options_.long_form) {
      std::printf("%10s  %s  %s%s\n", base::FormatBytes(object.size_bytes).c_str(), Timestamp(object.updated).c_str(),
                  root_.c_str(), object.key.c_str());
    } else {
      std::printf("%s%s\n", root_.c_str(), object.key.c_str());
    }
  }

  void Prefix(const std::string& prefix) {
    ++prefixes_;
    if (options_.json) {
      PrintJson({{"url", root_ + prefix}, {"folder", true}});
    } else {
      std::printf("%s%s%s\n", options_.long_form ? "         -                         " : "", root_.c_str(),
                  prefix.c_str());
    }
  }

  bool empty() const { return objects_ + prefixes_ == 0; }

  void End() const {
    if (options_.json) {
      std::puts(empty() ? "[]" : "\n]");
    } else if (options_.long_form) {
      const std::string folders =
          prefixes_ == 0 ? "" : ", and what lies in " + Count(prefixes_, "folder") + " (seamount du sums it)";
      std::printf("%s, %s%s\n", Count(objects_, "object").c_str(), base::FormatBytes(bytes_).c_str(), folders.c_str());
    }
  }

 private:
  void PrintJson(const nlohmann::json& entry) {
    const char* const before = objects_ + prefixes_ == 1 ? "[\n" : ",\n";
    std::printf("%s  %s", before, entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }

  const LsOptions& options_;
  const std::string root_;
  uint64_t objects_ = 0, prefixes_ = 0, bytes_ = 0;
};

Result<void> PrintAll(Store& store, store::ListOptions list, Printer& printer, const CallContext& context) {
  do {
    SEAMOUNT_TRY_ASSIGN(const store::ListPage page, store.List(list, context));
    for (const std::string& prefix : page.prefixes) printer.Prefix(prefix);
    for (const store::ObjectInfo& object : page.objects) printer.Object(object);
    std::fflush(stdout);
    list.page_token = page.next_page_token;
  } while (!list.page_token.empty());
  return {};
}

// `ls gs://`: the buckets of the key's project.
Result<int> ListBuckets(const LsOptions& options) {
  SEAMOUNT_TRY_ASSIGN(const auto administrator, stores::FindAdministrator({.endpoint = options.store.endpoint,
                                                                           .admin_key_file = options.store.key},
                                                                          net::MakeCurlHttpClient()));
  auto listed = administrator.client->ListBuckets(Interruptible());
  if (!listed && listed.error().code() == ErrorCode::kPermissionDenied)
    return base::PermissionDenied(listed.error().message() +
                                  " (a key of one bucket may not see the others: name it, as gs://bucket)");
  if (!listed) return listed.error();
  auto json = nlohmann::json::array();
  for (const std::string& bucket : *listed) {
    if (!options.json) std::printf("gs://%s\n", bucket.c_str());
    json.push_back({{"url", "gs://" + bucket}});
  }
  if (options.json) std::puts(json.dump(1).c_str());
  return kExitOk;
}

Result<int> List(const LsOptions& options) {
  if (options.url == "gs://") return ListBuckets(options);
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const stores::StoreUrl url, stores::ParseStoreUrl(options.url));
  const bool bucket = url.scheme == "gs";
  const std::string root = bucket ? "gs://" + url.bucket + "/" : options.url + (options.url.ends_with('/') ? "" : "/");
  const std::string path = bucket ? url.path : "";
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(bucket ? "gs://" + url.bucket : options.url, options.store));
  Printer printer(options, root);
  if (!path.empty() && !options.url.ends_with('/')) {  // a name may be an object, a prefix, or both
    SEAMOUNT_TRY_ASSIGN(const auto object, store->Stat(path, context));
    if (object) printer.Object(*object);
  }
  const auto listed = PrintAll(
      *store, {.prefix = path.empty() ? "" : path + "/", .delimiter = options.recursive ? "" : "/"}, printer, context);
  if (!listed) return listed.error();
  if (printer.empty() && !path.empty()) {
    return base::NotFound(options.url + ": no such object, and nothing begins with it");
  }
  printer.End();
  return kExitOk;
}

}  // namespace

void AddLsCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "ls", "List what a bucket holds",
                                 "seamount ls gs://winds --key winds-key.json\n"
                                 "seamount ls gs://winds/winds.zarr -l -r\n"
                                 "seamount ls -r gs://winds --json | jq -r '.[].url'");
  const auto options = std::make_shared<LsOptions>();
  command.add_option("URL", options->url, "gs://bucket[/prefix], gs:// for the buckets there are, or file:///folder")
      ->required();
  command.add_flag("-l,--long", options->long_form,
                   "Sizes and times as well, and a sum; --json has them always, in bytes");
  command.add_flag("-r,--recursive", options->recursive, "All objects under it, not one level");
  AddStoreFlags(command, options->store);
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] { return List(*options); });
}

}  // namespace seamount::cli
