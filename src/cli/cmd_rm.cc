// seamount rm: deletes objects, and nothing that has changed since it was looked at.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/objects.h"
#include "cli/transfer.h"
#include "exec/progress.h"

namespace seamount::cli {
namespace {

struct RmOptions {
  StoreFlags store;
  std::vector<std::string> urls;
  bool recursive = false, yes = false, json = false;
};

Result<void> Confirm(const RmOptions& options, const std::string& url, const std::vector<store::ObjectInfo>& objects) {
  if (!options.recursive || options.yes) return {};
  uint64_t bytes = 0;
  for (const store::ObjectInfo& object : objects) bytes += object.size_bytes;
  const std::string what =
      Count(objects.size(), "object") + " below " + url + " (" + base::FormatBytes(bytes) + ") would be deleted";
  if (isatty(STDIN_FILENO) == 0) return base::InvalidArgument(what + ": say --yes");
  std::fprintf(stderr, "%s. Go on? [y/N] ", what.c_str());
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return base::Cancelled("nothing was deleted");
}

struct Deleted {
  std::atomic<uint64_t> objects = 0, bytes = 0, changed = 0;
};

Result<void> Delete(Store& store, const std::vector<store::ObjectInfo>& objects, Deleted& deleted, bool quiet,
                    const CallContext& context) {
  exec::Progress progress("deleting", objects.size(), /*unit_bytes=*/false, !quiet);
  return ForAll(objects.size(), [&](size_t i) -> Result<void> {
    const store::ObjectInfo& object = objects[i];
    const auto done = store.Delete(object.key, {.if_generation = object.generation}, context);
    progress.Add(1);
    if (!done && done.error().code() == ErrorCode::kPreconditionFailed) {  // somebody has written it meanwhile
      ++deleted.changed;
      return {};
    }
    if (!done) return done.error();
    ++deleted.objects;
    deleted.bytes += object.size_bytes;
    return {};
  });
}

Result<int> Rm(const RmOptions& options) {
  const CallContext context = Interruptible();
  const Folders folders = options.recursive ? Folders::kTaken : Folders::kNotAsked;
  Deleted deleted;
  for (const std::string& url : options.urls) {
    SEAMOUNT_TRY_ASSIGN(const auto found, FindObjects(url, folders, options.store, context));
    SEAMOUNT_TRY(Confirm(options, url, found.objects));
    const auto done = Delete(*found.store, found.objects, deleted, options.json, context);
    if (!done && deleted.objects > 0)
      return done.error().Wrap("after " + Count(deleted.objects, "object") + " had been deleted");
    if (!done) return done.error();
  }
  if (options.json) {
    const nlohmann::json json = {
        {"deleted", deleted.objects.load()}, {"bytes", deleted.bytes.load()}, {"changed", deleted.changed.load()}};
    std::puts(json.dump().c_str());
  } else {
    std::printf("%s deleted, %s\n", Count(deleted.objects, "object").c_str(), base::FormatBytes(deleted.bytes).c_str());
  }
  if (deleted.changed == 0) return kExitOk;
  return base::PreconditionFailed(Count(deleted.changed, "object") +
                                  " changed meanwhile and not deleted: look again, then run the same command");
}

}  // namespace

void AddRmCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "rm", "Delete objects; there is no way back",
                                 "seamount rm gs://winds/notes.txt --key winds-key.json\n"
                                 "seamount rm -r gs://winds/old.zarr --yes");
  const auto options = std::make_shared<RmOptions>();
  command.add_option("URL", options->urls, "Objects, as gs://bucket/key; with -r what lies below it")->required();
  command.add_flag("-r,--recursive", options->recursive, "All that lies below; says how many, and asks");
  command.add_flag("-y,--yes", options->yes, "Do not ask");
  AddStoreFlags(command, options->store);
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] { return Rm(*options); });
}

}  // namespace seamount::cli
