#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/text.h"
#include "cli/command.h"
#include "exec/byte_budget.h"
#include "exec/progress.h"
#include "exec/thread_pool.h"
#include "prepare/changes.h"
#include "prepare/describe.h"
#include "prepare/execute.h"
#include "prepare/make_variables.h"
#include "prepare/missing_report.h"
#include "prepare/output.h"
#include "prepare/planner.h"
#include "prepare/recipe.h"
#include "prepare/recipe_files.h"
#include "prepare/survey.h"
#include "prepare/warnings.h"

namespace seamount::cli {
namespace {

struct PrepareFlags {
  StoreFlags store;
  std::string recipe;
  std::string to;
  std::string memory = "1G";
  std::string spill;
  int threads = 0;
  bool overwrite = false;
  bool plan = false;
  bool check = false;
  bool schema = false;
  bool json = false;
  bool progress_json = false;
};

void PrintReport(const prepare::Report& report, const prepare::Plan& plan, const PrepareFlags& flags) {
  for (const std::string& note : prepare::MissingNotes(plan, report.missing)) {
    std::fprintf(stderr, "note: %s\n", note.c_str());
  }
  if (flags.json) {
    const nlohmann::ordered_json out = {
        {"up_to_date", report.up_to_date},
        {"regions", report.regions},
        {"regions_kept", report.regions_kept},
        {"changes", nlohmann::ordered_json::parse(prepare::ChangesJson(report.changes))},
        {"decoded_bytes", report.decoded_bytes},
        {"written_bytes", report.written_bytes},
        {"equal_bytes", report.equal_bytes},
        {"spilled_bytes", report.spilled_bytes},
        {"missing", nlohmann::ordered_json::parse(prepare::MissingJson(plan, report.missing, true))},
        {"statistics_kept", report.statistics_kept},
        {"peak_memory_bytes", report.peak_memory_bytes},
        {"seconds", report.seconds}};
    std::printf("%s\n", out.dump(2).c_str());
    return;
  }
  if (report.up_to_date) {
    std::printf("%s is up to date: nothing to do\n", flags.to.c_str());
    return;
  }
  const auto took = std::chrono::nanoseconds(static_cast<int64_t>(report.seconds * 1e9));
  std::string kept;
  const prepare::Changes& changes = report.changes;
  if (changes.kept + changes.rewritten > 0) {
    kept = " (" + std::to_string(changes.kept) + " kept, " + std::to_string(changes.rewritten) + " rewritten, " +
           std::to_string(changes.added) + " added)";
  }
  if (report.equal_bytes > 0) kept += ", " + base::FormatBytes(report.equal_bytes) + " as they were";
  std::printf("%s: %llu regions%s, %s in %s stored, in %s\n", flags.to.c_str(),
              static_cast<unsigned long long>(report.regions), kept.c_str(),
              base::FormatBytes(report.decoded_bytes).c_str(), base::FormatBytes(report.written_bytes).c_str(),
              base::FormatDuration(took).c_str());
}

// A bucket must be there, a local folder need not.
Result<std::shared_ptr<Store>> OpenOutput(const PrepareFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const stores::StoreUrl url, stores::ParseStoreUrl(flags.to));
  if (url.scheme == "file") {
    std::error_code error;
    std::filesystem::create_directories(url.path, error);
    if (error) return base::InvalidArgument("making the folder " + url.path + ": " + error.message());
  }
  return stores::OpenStore(flags.to, ConfigFromFlags(flags.store));
}

// What lies in the output already. Nothing is made yet: a bad recipe leaves no trace.
Result<std::optional<prepare::Record>> RecordThere(const PrepareFlags& flags) {
  const std::optional<prepare::Record> none;
  if (flags.to.empty()) return none;
  SEAMOUNT_TRY_ASSIGN(const stores::StoreUrl url, stores::ParseStoreUrl(flags.to));
  if (url.scheme == "file" && !std::filesystem::exists(url.path)) return none;
  SEAMOUNT_TRY_ASSIGN(const auto store, stores::OpenStore(flags.to, ConfigFromFlags(flags.store)));
  return prepare::RecordAt(*store, Interruptible());
}

// Buffers that are given back return to the system, whatever thread had them: glibc would raise its thresholds to the
// largest of them, and keep as many as there are threads.
void TuneAllocator() {
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 8 << 20);
}

// What is left beside the program, its libraries, and what it knows of the source and the plan; but half at least.
uint64_t MemoryToWorkWith(uint64_t allowed) {
  uint64_t pages = 0;
  uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return allowed - std::min(resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)), allowed / 2);
}

// A plain path is a folder of this machine.
std::string AsUrl(const std::string& to) {
  if (to.empty() || to.find("://") != std::string::npos) return to;
  return "file://" + std::filesystem::absolute(to).lexically_normal().string();
}

// Says what is legal and hardly meant, and what is missing where. Reads everything, and writes nothing.
Result<int> Check(const prepare::Recipe& recipe, const prepare::Plan& plan, const prepare::SourceFacts& facts,
                  const source::Dataset& dataset, const prepare::ExecuteOptions& options, bool json) {
  std::vector<std::string> warnings = prepare::PlanWarnings(recipe, plan);
  prepare::Survey survey;
  {
    exec::ThreadPool pool(options.threads);
    exec::ByteBudget budget(options.memory_bytes);
    exec::Progress progress("checking", plan.output_bytes, true);
    SEAMOUNT_TRY_ASSIGN(survey, prepare::TakeSurvey(plan, facts, dataset, pool, budget, progress, Interruptible()));
  }
  for (std::string& warning : prepare::ValueWarnings(recipe, plan, survey)) warnings.push_back(std::move(warning));
  if (json) {
    const nlohmann::ordered_json out = {
        {"warnings", warnings},
        {"missing", nlohmann::ordered_json::parse(prepare::MissingJson(plan, survey.missing, true))},
        {"notes", plan.notes}};
    std::printf("%s\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
    return kExitOk;
  }
  for (const std::string& note : plan.notes) std::printf("note: %s\n", note.c_str());
  for (const std::string& note : prepare::MissingNotes(plan, survey.missing)) std::printf("note: %s\n", note.c_str());
  for (const std::string& warning : warnings) std::printf("warning: %s\n", warning.c_str());
  if (warnings.empty()) std::printf("there is nothing to warn of\n");
  return kExitOk;
}

Result<int> RunPrepare(PrepareFlags flags) {
  flags.to = AsUrl(flags.to);
  if (flags.schema) {
    std::printf("%.*s", static_cast<int>(prepare::RecipeSchema().size()), prepare::RecipeSchema().data());
    return kExitOk;
  }
  if (flags.recipe.empty()) return base::InvalidArgument("no recipe is named: seamount prepare RECIPE --to URL");
  if (flags.to.empty() && !flags.plan && !flags.check)
    return base::InvalidArgument("--to says where to, for example gs://bucket/x.zarr");
  TuneAllocator();
  if (flags.progress_json) exec::Progress::UseJsonLines();
  prepare::ExecuteOptions options;
  options.overwrite = flags.overwrite;
  SEAMOUNT_TRY_ASSIGN(const uint64_t memory, base::ParseBytes(flags.memory));
  options.spill_directory = flags.spill;
  options.threads =
      std::max(1, flags.threads > 0 ? flags.threads : static_cast<int>(std::thread::hardware_concurrency()));
  SEAMOUNT_TRY_ASSIGN(const prepare::Recipe recipe, prepare::ReadRecipe(flags.recipe));
  const std::string directory = std::filesystem::path(flags.recipe).parent_path().string();
  const uint64_t kept_bytes = std::clamp<uint64_t>(memory / 8, uint64_t{8} << 20, uint64_t{128} << 20);
  source::Remote remote(
      {.open_store = [&](const std::string& url) { return stores::OpenStore(url, ConfigFromFlags(flags.store)); },
       .kept_bytes = kept_bytes,
       .stop = Interruptible().stop});
  SEAMOUNT_TRY_ASSIGN(const prepare::Sources sources, prepare::OpenSources(recipe, directory, remote));
  const source::Dataset& dataset = *sources.dataset;
  SEAMOUNT_TRY_ASSIGN(const prepare::SourceFacts stored, prepare::Describe(dataset, recipe.reading));
  SEAMOUNT_TRY_ASSIGN(const prepare::MadeVariables made, prepare::MakeVariables(recipe, dataset, stored));
  const prepare::SourceFacts& facts = made.facts;
  SEAMOUNT_TRY_ASSIGN(const auto record, RecordThere(flags));
  const prepare::Record before = record.value_or(prepare::Record{});
  SEAMOUNT_TRY_ASSIGN(prepare::Plan plan, prepare::MakePlan(recipe, facts, before));
  const prepare::Changes changes = prepare::ChangesOf(plan, prepare::LyingThere(before), before.done);
  plan.notes.insert(plan.notes.begin(), made.notes.begin(), made.notes.end());
  if (flags.plan) {
    const std::string told = flags.json ? prepare::PlanJson(plan, facts, changes) + "\n"
                                        : prepare::DescribePlan(plan, facts, options.threads) +
                                              (record ? flags.to + ": " + prepare::ChangesText(changes) + "\n" : "");
    std::fputs(told.c_str(), stdout);
    return kExitOk;
  }
  options.memory_bytes = MemoryToWorkWith(memory);
  if (sources.far) options.memory_bytes -= std::min(kept_bytes, options.memory_bytes / 2);
  if (flags.check) return Check(recipe, plan, facts, made.of(dataset), options, flags.json);
  for (const std::string& note : plan.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  if (record && !flags.json && before.plan != plan.fingerprint && flags.overwrite) {
    std::fprintf(stderr, "note: %s: %s\n", flags.to.c_str(), prepare::ChangesText(changes).c_str());
  }
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenOutput(flags));
  auto report = prepare::Execute(plan, facts, made.of(dataset), store, options, Interruptible());
  if (!report) return report.error().Wrap("preparing " + flags.to);
  PrintReport(*report, plan, flags);
  return kExitOk;
}

}  // namespace

void AddPrepareCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(
      app, "prepare", "Turn raw files (NetCDF, GRIB, GeoTIFF, Zarr) into Zarr laid out for training, by a recipe",
      "seamount prepare winds.yaml --to gs://my-bucket/winds.zarr\n"
      "seamount prepare winds.yaml --plan\n"
      "seamount prepare --schema > recipe.schema.json");
  const auto flags = std::make_shared<PrepareFlags>();
  command.add_option("recipe", flags->recipe, "The recipe, a YAML file (docs/recipes.md); - is standard input")
      ->type_name("RECIPE");
  command.add_option("--to", flags->to, "Where to: gs://bucket/path, or a local folder")->type_name("URL");
  command.add_option("--memory", flags->memory, "Memory to stay within (default 1G)")->type_name("SIZE");
  command
      .add_option("--spill", flags->spill,
                  "Folder on a local disk for what does not fit in memory (default: $TMPDIR, or /var/tmp)")
      ->type_name("DIR");
  command.add_option("--threads", flags->threads, "Threads (default: one per core)")->type_name("N");
  command.add_flag("--overwrite", flags->overwrite, "Replace what another recipe made there");
  command.add_flag("--plan,--dry-run", flags->plan,
                   "Only say what would be read and written, in which chunks and why, and about how long it takes");
  command.add_flag("--check", flags->check,
                   "Read everything and write nothing: warn of what is hardly meant, and say what is missing where");
  command.add_flag("--schema", flags->schema, "Print the JSON Schema of recipes, for editors");
  command.add_flag("--progress-json", flags->progress_json,
                   "Say the progress as lines of JSON on stderr, for programs");
  AddJsonFlag(command, flags->json);
  AddStoreFlags(command, flags->store);
  OnChosen(command, chosen, [flags] { return RunPrepare(*flags); });
}

}  // namespace seamount::cli
