// seamount bench link: how fast a bucket is to be reached from here.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/objects.h"
#include "exec/progress.h"
#include "stores/link.h"

namespace seamount::cli {
namespace {

struct LinkOptions {
  StoreFlags store;
  std::string url;
  size_t connections = 16;
  std::string bytes = "256MiB";
  bool json = false;
};

constexpr uint64_t kLargeEnough = 64 << 20;
constexpr int kMostPages = 10;
constexpr uint64_t kLeastBytes = 32 << 20;

// An object below the prefix that is large enough, or the largest of the first few thousand.
Result<store::ObjectInfo> LargeObject(Store& store, const std::string& prefix, const std::string& url,
                                      const CallContext& context) {
  std::optional<store::ObjectInfo> largest;
  store::ListOptions list{.prefix = prefix};
  for (int page = 0; page < kMostPages; ++page) {
    SEAMOUNT_TRY_ASSIGN(const store::ListPage found, store.List(list, context));
    for (const store::ObjectInfo& object : found.objects) {
      if (!largest || object.size_bytes > largest->size_bytes) largest = object;
    }
    list.page_token = found.next_page_token;
    if (list.page_token.empty() || (largest && largest->size_bytes >= kLargeEnough)) break;
  }
  if (largest && largest->size_bytes >= stores::kMinProbeBytes) return *largest;
  return base::InvalidArgument("no object of " + base::FormatBytes(stores::kMinProbeBytes) + " or more below " + url +
                               (largest ? ": the largest has " + base::FormatBytes(largest->size_bytes) : "") +
                               "; a link is measured by reading one, so name another prefix or put a file there "
                               "(`seamount cp FILE " +
                               url + "`)");
}

std::string Rate(double bytes_per_second) { return base::FormatBytes(static_cast<uint64_t>(bytes_per_second)) + "/s"; }

void Print(const stores::Link& link, const std::string& object) {
  // Below this a request waits longer for its answer to begin than for it to come.
  const double even = std::chrono::duration<double>(link.round_trip).count() * link.connection_bytes_per_second;
  std::printf("round trip       %s\n", base::FormatDuration(link.round_trip).c_str());
  std::printf("one connection   %s\n", Rate(link.connection_bytes_per_second).c_str());
  std::printf("%-3zu connections  %s\n", link.connections, Rate(link.bytes_per_second).c_str());
  std::printf("even             %s: a request for less mostly waits, one for more mostly reads\n",
              base::FormatBytes(static_cast<uint64_t>(even)).c_str());
  std::printf("read             %s of %s\n", base::FormatBytes(link.bytes_read).c_str(), object.c_str());
}

Result<int> BenchLink(const LinkOptions& options) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const uint64_t bytes, base::ParseBytes(options.bytes));
  if (bytes < kLeastBytes) return base::InvalidArgument("--bytes " + options.bytes + ": at least 32MiB is needed");
  SEAMOUNT_TRY_ASSIGN(const Place place, ParseBucketPlace(options.url));
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(place.bucket, options.store));
  SEAMOUNT_TRY_ASSIGN(const auto object, LargeObject(*store, place.path, options.url, context));
  auto progress = std::make_unique<exec::Progress>("reading", bytes, true, !options.json);
  const stores::LinkProbe probe{
      .key = object.key, .connections = options.connections, .max_bytes = bytes, .on_read = [&](uint64_t amount) {
        progress->Add(amount);
      }};
  SEAMOUNT_TRY_ASSIGN(const stores::Link link, stores::MeasureLink(*store, probe, base::RealClock(), context));
  progress.reset();
  const std::string name = place.bucket + "/" + object.key;
  if (!options.json) {
    Print(link, name);
    return kExitOk;
  }
  const nlohmann::json json = {{"object", name},
                               {"round_trip_s", std::chrono::duration<double>(link.round_trip).count()},
                               {"connection_bytes_per_s", link.connection_bytes_per_second},
                               {"bytes_per_s", link.bytes_per_second},
                               {"connections", link.connections},
                               {"bytes_read", link.bytes_read}};
  std::puts(json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return kExitOk;
}

}  // namespace

void AddBenchCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& bench =
      AddCommand(app, "bench", "Measure what a place gives", "seamount bench link gs://winds --key k.json");
  bench.require_subcommand(1);
  CLI::App& command =
      AddCommand(bench, "link", "Measure round trip and rate from a bucket to here, by reading an object of it",
                 "seamount bench link gs://winds --key winds-key.json\n"
                 "seamount bench link gs://winds/era5/ --connections 64 --bytes 1G --json");
  const auto options = std::make_shared<LinkOptions>();
  command.add_option("URL", options->url, "gs://bucket[/prefix]: an object of 4 MiB or more below it is read")
      ->required();
  command.add_option("--connections", options->connections, "At once")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_option("--bytes", options->bytes, "To read in all, about; a cloud charges for what leaves it")
      ->capture_default_str();
  AddStoreFlags(command, options->store);
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] { return BenchLink(*options); });
}

}  // namespace seamount::cli
