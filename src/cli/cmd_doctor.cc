// seamount doctor: what works here, and what to do about what does not.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/checks.h"
#include "cli/command.h"

namespace seamount::cli {
namespace {

struct DoctorOptions {
  StoreFlags store;
  std::string url, cache_dir;
  bool read_only = false, json = false;
};

const char* NameOf(Finding finding) {
  switch (finding) {
    case Finding::kOk: return "ok";
    case Finding::kWarning: return "warn";
    case Finding::kFailure: return "fail";
  }
  return "";
}

Result<int> Examine(const DoctorOptions& options) {
  // Diagnosis wants an answer, not the patience of a long upload.
  constexpr std::chrono::seconds kDeadline(30);
  CallContext context = Interruptible();
  context.deadline = std::chrono::steady_clock::now() + kDeadline;
  int failures = 0;
  auto all = nlohmann::json::array();
  const Hear hear = [&](const Check& check) {
    if (context.stop.stop_requested()) return;  // it was cut short, and found nothing
    failures += check.finding == Finding::kFailure ? 1 : 0;
    if (options.json) {
      all.push_back({{"check", check.name},
                     {"finding", NameOf(check.finding)},
                     {"detail", check.detail},
                     {"advice", check.advice}});
      return;
    }
    std::printf("%-4s  %-11s  %s\n", NameOf(check.finding), check.name.c_str(), check.detail.c_str());
    if (!check.advice.empty()) std::printf("                   → %s\n", check.advice.c_str());
    std::fflush(stdout);
  };
  CheckMachine(options.cache_dir, hear);
  const bool storage = !options.url.empty() || !options.store.endpoint.empty() || !options.store.key.empty();
  if (storage) CheckStorage(options.store, options.url, !options.read_only, hear, context);
  if (context.stop.stop_requested()) return base::Cancelled("interrupted");
  if (options.json) {
    std::puts(all.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else if (options.url.empty()) {
    std::puts("Next, a bucket and the way to it: seamount doctor gs://BUCKET [--endpoint URL] [--key FILE]");
  }
  return failures > 0 ? kExitFailed : kExitOk;
}

std::string DefaultCacheDir() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache) return std::string(cache) + "/seamount";
  const char* home = std::getenv("HOME");
  return std::string(home && *home ? home : "/root") + "/.cache/seamount";
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "doctor", "Check this machine and the way to storage, and say what to do",
                                 "seamount doctor\nseamount doctor gs://winds --key key.json");
  const auto options = std::make_shared<DoctorOptions>();
  options->cache_dir = DefaultCacheDir();
  command.add_option("URL", options->url, "A bucket to check rights on: gs://bucket[/prefix]")->type_name("");
  AddStoreFlags(command, options->store);
  command.add_option("--cache-dir", options->cache_dir, "The cache folder to check")->type_name("DIR");
  command.add_flag("--read-only", options->read_only, "Do not try to write a small object");
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] { return Examine(*options); });
}

}  // namespace seamount::cli
