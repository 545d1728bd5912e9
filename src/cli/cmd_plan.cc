// seamount plan: in which chunks data should lie for a minibatch, by the model of layout/.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "layout/candidates.h"
#include "loader/group.h"
#include "prepare/describe.h"
#include "prepare/make_variables.h"
#include "prepare/planner.h"
#include "prepare/recipe.h"
#include "prepare/recipe_files.h"

namespace seamount::cli {
namespace {

struct PlanFlags {
  StoreFlags store;
  std::string what;
  std::vector<std::string> variables, patches;
  std::vector<int64_t> inputs, targets;
  std::string sample_dim, shuffle, memory = "256MiB", connection = "50MB", link = "200MB";
  uint64_t batch_size = 0;
  double latency_ms = 30, stored_share = 0;
  layout::Terms terms;
  size_t rows = 10;
  bool json = false;
};

// What is laid out, and how it is read.
struct Question {
  layout::Data data;  // as it lies, or as `prepare` writes it
  loader::LoaderOptions options;
  std::string now;  // what the layout in `data` is
  std::string share_from;
};

Result<Question> OfRecipe(const PlanFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const prepare::Recipe recipe, prepare::ReadRecipe(flags.what));
  source::Remote remote(
      {.open_store = [&](const std::string& url) { return stores::OpenStore(url, ConfigFromFlags(flags.store)); },
       .kept_bytes = uint64_t{32} << 20,
       .stop = Interruptible().stop});
  const std::string directory = std::filesystem::path(flags.what).parent_path().string();
  SEAMOUNT_TRY_ASSIGN(const prepare::Sources sources, prepare::OpenSources(recipe, directory, remote));
  SEAMOUNT_TRY_ASSIGN(const prepare::SourceFacts stored, prepare::Describe(*sources.dataset, recipe.reading));
  SEAMOUNT_TRY_ASSIGN(const auto made, prepare::MakeVariables(recipe, *sources.dataset, stored));
  SEAMOUNT_TRY_ASSIGN(const prepare::Plan plan, prepare::MakePlan(recipe, made.facts));
  Question question{.now = "as 'seamount prepare' writes it", .share_from = "as if nothing were compressed"};
  question.data.group_attributes_json = plan.group_attributes_json;
  for (const prepare::DataArray& array : plan.arrays) {
    if (!array.auxiliary) question.data.arrays.push_back({array.name, array.metadata});
  }
  if (!recipe.minibatch) return question;
  question.options.inputs = recipe.minibatch->inputs;
  question.options.targets = recipe.minibatch->targets;
  question.options.batch_size = recipe.minibatch->batch;
  question.options.shuffle = recipe.minibatch->shuffle;
  for (const prepare::Extent& patch : recipe.minibatch->patches) {
    question.options.patches.dims.push_back({patch.dimension, patch.size, patch.size});
    question.options.patches.random = 1;
  }
  return question;
}

// How large what is stored is, of what it decodes to: of the first objects that a listing has.
Result<double> StoredShare(Store& store, const layout::Data& data) {
  double stored = 0;
  double decoded = 0;
  for (const layout::NamedArray& array : data.arrays) {
    store::ListOptions options;
    options.prefix = array.name + "/";
    SEAMOUNT_TRY_ASSIGN(const auto page, store.List(options, Interruptible()));
    const zarr::ArrayMetadata& metadata = array.metadata;
    const nd::Index& unit = metadata.shard_shape ? *metadata.shard_shape : metadata.chunk_shape;
    const double bytes = static_cast<double>(nd::Elements(unit) * nd::SizeOf(metadata.data_type));
    for (const store::ObjectInfo& object : page.objects) {
      const std::string_view name = std::string_view(object.key).substr(options.prefix.size());
      if (name.starts_with('.') || name == "zarr.json") continue;
      stored += static_cast<double>(object.size_bytes);
      decoded += bytes;
    }
  }
  return decoded > 0 ? stored / decoded : 1;
}

Result<Question> OfStore(const PlanFlags& flags) {
  const bool folder = flags.what.find("://") == std::string::npos;
  const std::string url =
      folder ? "file://" + std::filesystem::absolute(flags.what).lexically_normal().string() : flags.what;
  SEAMOUNT_TRY_ASSIGN(const std::shared_ptr<Store> store, OpenFromFlags(url, flags.store));
  SEAMOUNT_TRY_ASSIGN(const loader::Group group, loader::Group::Open(store, {}, Interruptible()));
  Question question{.now = "as it lies there"};
  question.data.group_attributes_json = group.attributes_json();
  std::vector<std::string> names = flags.variables;
  if (names.empty()) {
    SEAMOUNT_TRY_ASSIGN(names, group.Arrays(Interruptible()));
  }
  for (const std::string& name : names) {
    SEAMOUNT_TRY_ASSIGN(const auto array, group.OpenArray(name, loader::MissingChunks::kFill, Interruptible()));
    question.data.arrays.push_back({name, array->metadata()});
  }
  SEAMOUNT_TRY_ASSIGN(question.data.stored_share, StoredShare(*store, question.data));
  char text[96];
  std::snprintf(text, sizeof text, "stored in %.3g of its size, as it is now", question.data.stored_share);
  question.share_from = text;
  return question;
}

// The variables that are read: those named, or fields that have the sample dimension.
Result<void> ChooseVariables(const PlanFlags& flags, Question& question) {
  std::vector<std::string> there;
  std::vector<layout::NamedArray> chosen;
  for (layout::NamedArray& array : question.data.arrays) {
    there.push_back(array.name);
    const auto& dims = array.metadata.dimension_names;
    const bool named = std::find(flags.variables.begin(), flags.variables.end(), array.name) != flags.variables.end();
    const bool field = dims.size() > 1 && array.metadata.data_type != nd::DataType::kOther &&
                       std::find(dims.begin(), dims.end(), question.options.sample_dim) != dims.end();
    if (flags.variables.empty() ? field : named) chosen.push_back(std::move(array));
  }
  for (const std::string& name : flags.variables) {
    if (std::find(there.begin(), there.end(), name) == there.end())
      return base::NotFound("there is no variable '" + name + "'" + base::NameHint(name, there));
  }
  if (chosen.empty()) {
    return base::InvalidArgument("no variable has the dimension '" + question.options.sample_dim +
                                 "' and another: --sample-dim names what samples run along" +
                                 base::NameHint("", there));
  }
  for (const layout::NamedArray& array : chosen) question.options.variables.push_back(array.name);
  question.data.arrays = std::move(chosen);
  return {};
}

Result<void> ApplyFlags(const PlanFlags& flags, Question& question) {
  loader::LoaderOptions& options = question.options;
  if (!flags.inputs.empty()) options.inputs = flags.inputs;
  if (!flags.targets.empty()) options.targets = flags.targets;
  if (flags.batch_size > 0) options.batch_size = flags.batch_size;
  if (!flags.shuffle.empty()) {
    SEAMOUNT_TRY_ASSIGN(options.shuffle, loader::ShuffleFromName(flags.shuffle));
  }
  SEAMOUNT_TRY_ASSIGN(options.memory_bytes, base::ParseBytes(flags.memory));
  if (!flags.patches.empty()) options.patches = {.random = 1};
  for (const std::string& patch : flags.patches) {
    const auto parts = base::Split(patch, '=');
    const auto size = parts.size() == 2 ? base::ParseBytes(parts[1]) : base::InvalidArgument("");
    if (!size || *size == 0) return base::InvalidArgument("--patches " + patch + ": expected sizes, as lat=64,lon=64");
    options.patches.dims.push_back({parts[0], *size, *size});
  }
  SEAMOUNT_TRY_ASSIGN(const auto notes, loader::ParseGroupNotes(question.data.group_attributes_json));
  options.sample_dim = !flags.sample_dim.empty() ? flags.sample_dim : notes.sample_dim;
  if (options.sample_dim.empty()) options.sample_dim = "time";
  if (flags.stored_share > 0) {
    question.data.stored_share = flags.stored_share;
    question.share_from = "stored in the share of its size that is given";
  }
  return ChooseVariables(flags, question);
}

std::string ShapeText(const nd::Index& shape) {
  std::vector<std::string> parts;
  parts.reserve(shape.size());
  for (const uint64_t extent : shape) parts.push_back(std::to_string(extent));
  return base::Join(parts, "x");
}

std::string Row(const char* mark, const layout::Ranked& one) {
  const layout::Costs& costs = one.costs;
  const std::string shape = ShapeText(one.chunk) + (one.shard ? " in " + ShapeText(*one.shard) : "");
  char text[256];
  if (!one.impossible.empty()) {
    std::snprintf(text, sizeof text, "%1s %-28s %10s  %s", mark, shape.c_str(),
                  base::FormatBytes(one.chunk_bytes).c_str(), one.impossible.substr(0, 150).c_str());
    return text;
  }
  std::snprintf(text, sizeof text, "%1s %-28s %10s %9llu %9.3g %10s %7.3g %10.3g %9.2g", mark, shape.c_str(),
                base::FormatBytes(one.chunk_bytes).c_str(), static_cast<unsigned long long>(one.objects),
                costs.requests_per_sample(), base::FormatBytes(static_cast<uint64_t>(costs.bytes_per_sample())).c_str(),
                costs.reread, costs.samples_per_second(), costs.usd);
  return text;
}

// What an epoch waits for.
const char* LimitOf(const layout::Costs& costs, const layout::Terms& terms) {
  const double link = static_cast<double>(costs.bytes) / terms.link_bytes_per_second;
  const double work = static_cast<double>(costs.decoded_bytes + costs.batch_bytes) /
                      (terms.core_bytes_per_second * std::max(1, terms.cores));
  if (work >= 0.99 * costs.seconds) return "decoding and copying";
  return link >= 0.99 * costs.seconds ? "the link's bytes" : "the round trips of requests";
}

nlohmann::ordered_json JsonOf(const layout::Ranked& one) {
  nlohmann::ordered_json out = {{"chunk", one.chunk}, {"chunk_bytes", one.chunk_bytes}, {"objects", one.objects}};
  if (one.shard) out["shard"] = *one.shard;
  if (!one.impossible.empty()) {
    out["impossible"] = one.impossible;
    return out;
  }
  out["samples"] = one.costs.samples;
  out["requests"] = one.costs.requests + one.costs.index_requests;
  out["bytes"] = one.costs.bytes;
  out["requests_per_sample"] = one.costs.requests_per_sample();
  out["bytes_per_sample"] = one.costs.bytes_per_sample();
  out["reread"] = one.costs.reread;
  out["samples_per_second"] = one.costs.samples_per_second();
  out["seconds"] = one.costs.seconds;
  out["usd"] = one.costs.usd;
  return out;
}

// The layout that `question.data` has, in the table's form.
layout::Ranked Now(const Question& question, const layout::Terms& terms) {
  const zarr::ArrayMetadata& first = question.data.arrays.front().metadata;
  layout::Ranked now{.chunk = first.chunk_shape, .shard = first.shard_shape};
  now.chunk_bytes = nd::Elements(first.chunk_shape) * nd::SizeOf(first.data_type);
  for (const layout::NamedArray& array : question.data.arrays) {
    const zarr::ArrayMetadata& metadata = array.metadata;
    now.objects += nd::Elements(nd::GridShape(metadata.shape, metadata.shard_shape.value_or(metadata.chunk_shape)));
  }
  if (auto costs = layout::CostOf(question.data, question.options, terms)) {
    now.costs = *costs;
  } else {
    now.impossible = costs.error().message();
  }
  return now;
}

void Print(const Question& question, const layout::Ranked& now, const std::vector<layout::Ranked>& ranked,
           const PlanFlags& flags) {
  const zarr::ArrayMetadata& first = question.data.arrays.front().metadata;
  std::printf("%s, %s; %s\n", Count(question.data.arrays.size(), "variable").c_str(),
              (ShapeText(first.shape) + " (" + base::Join(first.dimension_names, ", ") + ")").c_str(),
              question.share_from.c_str());
  std::printf("  %-28s %10s %9s %9s %10s %7s %10s %9s\n", "chunk", "of", "objects", "requests", "bytes", "reads",
              "samples", "dollars");
  std::printf("  %-28s %10s %9s %9s %10s %7s %10s %9s\n", "", "", "", "a sample", "a sample", "each", "a second",
              "an epoch");
  std::printf("%s\n  (%s)\n", Row("", now).c_str(), question.now.c_str());
  for (size_t i = 0; i < std::min(flags.rows, ranked.size()); ++i) {
    std::printf("%s\n", Row(i == 0 ? "*" : "", ranked[i]).c_str());
  }
  if (ranked.size() > flags.rows) std::printf("  and %zu more (--rows)\n", ranked.size() - flags.rows);
  const layout::Costs& best = ranked.front().costs;
  std::printf(
      "* is the choice: of what takes at most a twentieth longer than the fastest the cheapest, and of these what "
      "reads "
      "the fewest bytes.\n  Its epoch of %llu samples takes %.3g s, and waits for %s.\n",
      static_cast<unsigned long long>(best.samples), best.seconds, LimitOf(best, flags.terms));
}

Result<int> RunPlan(PlanFlags flags) {
  SEAMOUNT_TRY_ASSIGN(const uint64_t connection, base::ParseBytes(flags.connection));
  SEAMOUNT_TRY_ASSIGN(const uint64_t link, base::ParseBytes(flags.link));
  if (connection == 0 || link == 0) return base::InvalidArgument("--connection and --link are rates above 0");
  flags.terms.connection_bytes_per_second = static_cast<double>(connection);
  flags.terms.link_bytes_per_second = static_cast<double>(link);
  flags.terms.latency_seconds = flags.latency_ms / 1000;
  const bool recipe = flags.what == "-" || flags.what.ends_with(".yaml") || flags.what.ends_with(".yml");
  SEAMOUNT_TRY_ASSIGN(Question question, recipe ? OfRecipe(flags) : OfStore(flags));
  SEAMOUNT_TRY(ApplyFlags(flags, question));
  const loader::LoaderOptions& options = question.options;
  const bool may_shard = question.data.arrays.front().metadata.format == 3;
  const auto candidates = layout::Candidates(question.data, options, options.sample_dim, may_shard);
  SEAMOUNT_TRY_ASSIGN(const auto ranked,
                      layout::Rank(question.data, options, options.sample_dim, candidates, flags.terms));
  const layout::Ranked now = Now(question, flags.terms);
  if (!flags.json) {
    Print(question, now, ranked, flags);
    return kExitOk;
  }
  auto all = nlohmann::ordered_json::array();
  for (const layout::Ranked& one : ranked) all.push_back(JsonOf(one));
  const nlohmann::ordered_json out = {{"variables", options.variables},
                                      {"dimensions", question.data.arrays.front().metadata.dimension_names},
                                      {"stored_share", question.data.stored_share},
                                      {"now", JsonOf(now)},
                                      {"choice", JsonOf(ranked.front())},
                                      {"candidates", all}};
  std::printf("%s\n", out.dump(1).c_str());
  return kExitOk;
}

}  // namespace

void AddPlanCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(
      app, "plan", "Compare chunk and shard shapes for a minibatch: requests, bytes, samples a second, dollars",
      "seamount plan winds.yaml\n"
      "seamount plan gs://my-bucket/winds.zarr --inputs=-3,-2,-1,0 --targets=1 --shuffle block\n"
      "seamount plan era5.zarr --patches lat=64,lon=64 --batch-size 32 --latency 10 --link 1GB --json");
  const auto flags = std::make_shared<PlanFlags>();
  command
      .add_option("what", flags->what,
                  "A recipe (.yaml, or - for standard input), or the URL or folder of a Zarr group")
      ->type_name("RECIPE|URL")
      ->required();
  command.add_option("--variables", flags->variables, "What is read (default: fields with the sample dimension)")
      ->delimiter(',')
      ->type_name("NAMES");
  command.add_option("--inputs", flags->inputs, "Leads of a sample's input (default: the recipe's, or 0)")
      ->delimiter(',')
      ->type_name("LEADS");
  command.add_option("--targets", flags->targets, "Leads of its target (default: the recipe's, or none)")
      ->delimiter(',')
      ->type_name("LEADS");
  command.add_option("--batch-size", flags->batch_size, "Samples to a batch (default: the recipe's, or 16)")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  command.add_option("--shuffle", flags->shuffle, "global, block or none (default: the recipe's, or global)")
      ->type_name("HOW");
  command.add_option("--patches", flags->patches, "Sizes of patches at random places (default: the whole field)")
      ->delimiter(',')
      ->type_name("DIM=N");
  command
      .add_option("--sample-dim", flags->sample_dim, "What samples run along (default: what the group notes, or time)")
      ->type_name("DIM");
  command.add_option("--memory", flags->memory, "Of the loader (default 256MiB)")->type_name("SIZE");
  command.add_option("--latency", flags->latency_ms, "Milliseconds until a request's first byte (default 30)")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("MS");
  command.add_option("--connection", flags->connection, "Bytes a second of one connection (default 50MB)")
      ->type_name("SIZE");
  command.add_option("--link", flags->link, "Bytes a second of all of them (default 200MB)")->type_name("SIZE");
  command.add_option("--cores", flags->terms.cores, "That decode and copy, a GB a second each (default 2)")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  command
      .add_option("--stored-share", flags->stored_share,
                  "Stored bytes for each decoded one (default: as it is there, or 1)")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("SHARE");
  command.add_option("--read-price", flags->terms.usd_per_10k_reads, "Dollars for 10,000 requests (default 0.004)")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("USD");
  command.add_option("--gib-price", flags->terms.usd_per_gib, "Dollars for a GiB of traffic (default 0)")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("USD");
  command.add_option("--rows", flags->rows, "Rows of the table (default 10)")->type_name("N");
  AddJsonFlag(command, flags->json);
  AddStoreFlags(command, flags->store);
  OnChosen(command, chosen, [flags] { return RunPlan(*flags); });
}

}  // namespace seamount::cli
