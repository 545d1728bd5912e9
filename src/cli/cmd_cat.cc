// seamount cat: the content of objects, or a part of it.
#include <CLI/CLI.hpp>
#include <charconv>

#include "cli/command.h"
#include "cli/objects.h"
#include "cli/transfer.h"

namespace seamount::cli {
namespace {

struct CatOptions {
  StoreFlags store;
  std::vector<std::string> urls;
  std::string range;
};

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// As HTTP has it: "0-99" (both included), "100-", "-100" (the last 100).
Result<std::optional<store::ByteRange>> ParseRange(const std::string& text) {
  if (text.empty()) return std::optional<store::ByteRange>();
  const size_t dash = text.find('-');
  const auto bad =
      base::InvalidArgument("--range '" + text + "': expected FIRST-LAST (both included), FIRST- or -COUNT, in bytes");
  if (dash == std::string::npos) return bad;
  const auto first = Number(text.substr(0, dash)), last = Number(text.substr(dash + 1));
  if (dash == 0 && last) return std::optional(store::ByteRange::Last(*last));
  if (!first || (!last && dash + 1 != text.size()) || (last && *last < *first)) return bad;
  store::ByteRange range{.offset = *first};
  if (last) range.length = *last - *first + 1;
  return std::optional(range);
}

Result<int> Cat(const CatOptions& options) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto range, ParseRange(options.range));
  for (const std::string& url : options.urls) {
    SEAMOUNT_TRY_ASSIGN(const auto found, FindObjects(url, Folders::kRefused, options.store, context));
    const store::ObjectInfo& object = found.objects.front();
    SEAMOUNT_TRY(Stream(*found.store, object, store::SpanOf(range, object.size_bytes), WriteOutput, context));
  }
  return kExitOk;
}

}  // namespace

void AddCatCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "cat", "Print the content of objects",
                                 "seamount cat gs://winds/winds.zarr/zarr.json --key winds-key.json | jq .attributes\n"
                                 "seamount cat gs://winds/run.log --range -2000");
  const auto options = std::make_shared<CatOptions>();
  command.add_option("URL", options->urls, "Objects, as gs://bucket/key")->required();
  command.add_option("--range", options->range, "Bytes of each: 0-99, 100- or -100 (the last)")->type_name("RANGE");
  AddStoreFlags(command, options->store);
  OnChosen(command, chosen, [options] { return Cat(*options); });
}

}  // namespace seamount::cli
