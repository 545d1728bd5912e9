// seamount du: how much lies below each folder.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/objects.h"

namespace seamount::cli {
namespace {

struct DuOptions {
  StoreFlags store;
  std::string url;
  bool json = false;
};

struct Sum {
  uint64_t objects = 0, bytes = 0;
};

void Print(const Sum& sum, const std::string& url) {
  std::printf("%10s  %12s  %s\n", base::FormatBytes(sum.bytes).c_str(), Count(sum.objects, "object").c_str(),
              url.c_str());
}

Result<int> Du(const DuOptions& options) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const Place place, ParseBucketPlace(options.url));
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(place.bucket, options.store));
  const std::string prefix = FolderPrefix(place.path);
  std::map<std::string, Sum> folders;  // by what follows the prefix, up to the next '/'
  Sum all;
  store::ListOptions list{.prefix = prefix};
  do {
    SEAMOUNT_TRY_ASSIGN(const store::ListPage page, store->List(list, context));
    for (const store::ObjectInfo& object : page.objects) {
      const size_t slash = object.key.find('/', prefix.size());
      for (Sum* sum : {&all, slash == std::string::npos ? nullptr : &folders[object.key.substr(0, slash + 1)]}) {
        if (sum == nullptr) continue;
        ++sum->objects;
        sum->bytes += object.size_bytes;
      }
    }
    list.page_token = page.next_page_token;
  } while (!list.page_token.empty());
  if (all.objects == 0 && !place.path.empty()) {
    SEAMOUNT_TRY_ASSIGN(const auto objects, ObjectsOf(*store, place, Folders::kRefused, context));
    all = {.objects = 1, .bytes = objects.front().size_bytes};
  }
  if (options.json) {
    auto json = nlohmann::json::array();
    for (const auto& [folder, sum] : folders) {
      json.push_back({{"url", place.bucket + "/" + folder}, {"objects", sum.objects}, {"bytes", sum.bytes}});
    }
    json.push_back({{"url", options.url}, {"objects", all.objects}, {"bytes", all.bytes}});
    std::puts(json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return kExitOk;
  }
  for (const auto& [folder, sum] : folders) Print(sum, place.bucket + "/" + folder);
  Print(all, options.url);
  return kExitOk;
}

}  // namespace

void AddDuCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "du", "Say how much lies in each folder of a bucket, and in all",
                                 "seamount du gs://winds --key winds-key.json");
  const auto options = std::make_shared<DuOptions>();
  command.add_option("URL", options->url, "gs://bucket[/prefix]")->required();
  AddStoreFlags(command, options->store);
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] { return Du(*options); });
}

}  // namespace seamount::cli
