// seamount cost, seamount advise: what it will cost, and whether it pays.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cost/advise.h"
#include "cost/chart.h"
#include "cost/estimate.h"

namespace seamount::cli {
namespace {

constexpr double kGib = 1024.0 * 1024 * 1024;

Result<double> GibOf(const std::string& text) {
  if (text.empty()) return 0.0;
  SEAMOUNT_TRY_ASSIGN(const uint64_t bytes, base::ParseBytes(text));
  return static_cast<double>(bytes) / kGib;
}

cost::Provisioning ProvisioningOf(bool spot) {
  return spot ? cost::Provisioning::kSpot : cost::Provisioning::kStandard;
}

struct CostFlags {
  std::string url, stored, read, gpu, machine_type, boot_disk = "100GiB";
  StoreFlags store;
  cost::Usage usage;
  bool spot = false, json = false;
};

// What a bucket holds now.
Result<double> MeasuredGib(const CostFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  double bytes = 0;
  store::ListOptions options;
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const auto page, store->List(options, Interruptible()));
    for (const store::ObjectInfo& object : page.objects) bytes += static_cast<double>(object.size_bytes);
    if (page.next_page_token.empty()) return bytes / kGib;
    options.page_token = page.next_page_token;
  }
}

Result<int> Cost(const CostFlags& flags) {
  cost::Usage usage = flags.usage;
  SEAMOUNT_TRY_ASSIGN(usage.stored_gib, GibOf(flags.stored));
  SEAMOUNT_TRY_ASSIGN(usage.read_gib, GibOf(flags.read));
  SEAMOUNT_TRY_ASSIGN(usage.disk_gib, GibOf(flags.boot_disk));
  if (!flags.url.empty() && flags.stored.empty()) {
    SEAMOUNT_TRY_ASSIGN(usage.stored_gib, MeasuredGib(flags));
  }
  usage.provisioning = ProvisioningOf(flags.spot);
  if (usage.machine_hours > 0) {
    SEAMOUNT_TRY_ASSIGN(usage.machine, cost::FindMachine(flags.gpu, flags.machine_type));
  } else if (!flags.gpu.empty() || !flags.machine_type.empty()) {
    return base::InvalidArgument("for how many hours of the month the machine runs is not said (--hours)");
  }
  SEAMOUNT_TRY_ASSIGN(const auto lines, cost::Estimate(usage));
  if (flags.json) {
    auto all = nlohmann::json::array();
    for (const cost::CostLine& line : lines) all.push_back({{"what", line.what}, {"usd", line.usd}});
    std::puts(
        nlohmann::json{{"lines", all}, {"usd", cost::TotalOf(lines)}, {"prices_of", cost::kPricesOf}}.dump(1).c_str());
    return kExitOk;
  }
  for (const cost::CostLine& line : lines) std::printf("%10.2f  %s\n", line.usd, line.what.c_str());
  std::printf("%10.2f  dollars a month, about, before tax and without free quotas; prices collected %s\n",
              cost::TotalOf(lines), cost::kPricesOf);
  return kExitOk;
}

struct AdviseFlags {
  std::string model, data, plot;
  cost::Situation situation;
  bool spot = false, json = false;
};

cost::Chart ChartOf(const cost::Advice& advice, const cost::Situation& s) {
  constexpr int kPoints = 29;
  const double per_week = advice.sessions_per_month / s.sessions_per_week;
  const double most = std::max(7.0, 2 * s.sessions_per_week);
  cost::Chart chart{.title = "A month, with waiting at $" + std::to_string(static_cast<int>(s.hour_usd)) + " an hour",
                    .x_label = "sessions a week",
                    .y_label = "dollars a month",
                    .mark_x = s.sessions_per_week};
  for (const cost::WayCost& way : advice.ways) {
    if (!way.impossible.empty()) continue;
    cost::Series series{.name = cost::NameOf(way.way)};
    for (int i = 0; i < kPoints; ++i) {
      const double sessions = most * i / (kPoints - 1);
      series.points.emplace_back(sessions, way.AllIn(sessions * per_week, s.hour_usd));
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Result<void> WritePlot(const std::string& path, const std::string& svg) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << svg;
  file.close();
  if (!file) return base::InvalidArgument("--plot '" + path + "' cannot be written");
  return {};
}

nlohmann::json ToJson(const cost::Advice& advice, const cost::Situation& s) {
  auto ways = nlohmann::json::array();
  for (const cost::WayCost& way : advice.ways) {
    nlohmann::json entry = {{"way", cost::NameOf(way.way)},
                            {"usd", way.Usd(advice.sessions_per_month)},
                            {"hours_lost", way.HoursLost(advice.sessions_per_month)},
                            {"usd_with_waiting", way.AllIn(advice.sessions_per_month, s.hour_usd)}};
    if (!way.impossible.empty()) entry["impossible"] = way.impossible;
    ways.push_back(std::move(entry));
  }
  return {{"ways", ways}, {"break_even", advice.break_evens}, {"prices_of", cost::kPricesOf}};
}

Result<int> Advise(const AdviseFlags& flags) {
  cost::Situation s = flags.situation;
  SEAMOUNT_TRY_ASSIGN(s.model_gib, GibOf(flags.model));
  SEAMOUNT_TRY_ASSIGN(s.data_gib, GibOf(flags.data));
  s.provisioning = ProvisioningOf(flags.spot);
  SEAMOUNT_TRY_ASSIGN(const cost::Advice advice, cost::Advise(s));
  if (!flags.plot.empty()) SEAMOUNT_TRY(WritePlot(flags.plot, cost::ToSvg(ChartOf(advice, s))));
  if (flags.json) {
    std::puts(ToJson(advice, s).dump(1).c_str());
    return kExitOk;
  }
  std::printf("%-34s  %8s  %9s  %12s\n", "A MONTH", "DOLLARS", "WAITING", "WITH WAITING");
  for (const cost::WayCost& way : advice.ways) {
    if (!way.impossible.empty()) {
      std::printf("%-34s  no: %s\n", cost::NameOf(way.way).c_str(), way.impossible.c_str());
      continue;
    }
    std::printf("%-34s  %8.2f  %7.1f h  %12.2f\n", cost::NameOf(way.way).c_str(), way.Usd(advice.sessions_per_month),
                way.HoursLost(advice.sessions_per_month), way.AllIn(advice.sessions_per_month, s.hour_usd));
  }
  std::printf("\nFor you: %s, where an hour of waiting is worth $%g to you (--hour-worth)\n",
              cost::NameOf(advice.ways.front().way).c_str(), s.hour_usd);
  for (const std::string& text : advice.break_evens) std::printf("  %s\n", text.c_str());
  std::printf("Taken for true: %g sessions a week of %g h; a free GPU is there %g times of 100; prices collected %s\n",
              s.sessions_per_week, s.hours_per_session, 100 * s.free_gpu_chance, cost::kPricesOf);
  return kExitOk;
}

}  // namespace

void AddCostCommand(CLI::App& app, Chosen& chosen) {
  const auto flags = std::make_shared<CostFlags>();
  CLI::App& command =
      AddCommand(app, "cost", "What a month at Google costs, before it does",
                 "seamount cost --stored 500GiB --location europe-west4 --read 2TiB --from us-central1\n"
                 "seamount cost --stored 50GiB --read 100GiB --gpu l4 --spot --hours 40\n"
                 "seamount cost gs://winds --location europe-west4");
  cost::Usage& usage = flags->usage;
  command.add_option("URL", flags->url, "A bucket whose size is counted, instead of --stored")->type_name("");
  AddStoreFlags(command, flags->store);
  command.add_option("--stored", flags->stored, "What the bucket holds")->type_name("SIZE");
  command.add_option("--location", usage.location, "Where the bucket lies: a region, us, eu or asia")
      ->capture_default_str();
  command.add_option("--class", usage.storage_class, "standard, nearline, coldline or archive")->capture_default_str();
  command.add_option("--read", flags->read, "What is read from it in a month")->type_name("SIZE");
  command.add_option("--from", usage.reader, "Where it is read: a region, or internet (default: where it lies)");
  command.add_option("--reads", usage.reads, "Requests that read, in a month")->check(CLI::NonNegativeNumber);
  command.add_option("--writes", usage.writes, "Requests that write or list, in a month")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--gpu", flags->gpu, "The GPU of a machine: t4, l4, l4:2, a100, a100-80gb, h100:8, none")
      ->type_name("NAME[:N]");
  command.add_option("--machine-type", flags->machine_type, "Which machine (default: the smallest with that GPU)");
  command.add_flag("--spot", flags->spot, "At the price of machines that may be taken away");
  command.add_option("--hours", usage.machine_hours, "For how many hours of the month it runs")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--region", usage.machine_region, "Where it runs (default: where the bucket lies)");
  command.add_option("--boot-disk", flags->boot_disk, "Size of its disk")->type_name("SIZE")->capture_default_str();
  AddJsonFlag(command, flags->json);
  OnChosen(command, chosen, [flags] { return Cost(*flags); });
}

void AddAdviseCommand(CLI::App& app, Chosen& chosen) {
  const auto flags = std::make_shared<AdviseFlags>();
  CLI::App& command = AddCommand(
      app, "advise", "Whether a free notebook will do, or a bucket, a lab machine, a machine of your own pays",
      "seamount advise --model 8GiB --data 30GiB --sessions 3 --hours 2\n"
      "seamount advise --model 40GiB --gpu a100 --spot --plot costs.svg");
  cost::Situation& s = flags->situation;
  command.add_option("--model", flags->model, "Size of the models that a session loads")->type_name("SIZE");
  command.add_option("--data", flags->data, "Size of the data that a session reads")->type_name("SIZE");
  command.add_option("--sessions", s.sessions_per_week, "Sessions a week")->capture_default_str();
  command.add_option("--hours", s.hours_per_session, "Hours of a session")->capture_default_str();
  command.add_option("--gpu", s.gpus, "The GPU that it takes; none")->type_name("NAME[:N]")->capture_default_str();
  command.add_option("--location", s.location, "Where bucket and machine are")->capture_default_str();
  command.add_flag("--spot", flags->spot, "At the price of machines that may be taken away");
  command.add_option("--web-mbit", s.web_mbit, "How fast a notebook downloads from the web")->capture_default_str();
  command.add_option("--lab-mbit", s.lab_mbit, "How fast your lab machine's line sends (default: you have none)");
  command.add_option("--gpu-chance", s.free_gpu_chance, "How often a free notebook has a GPU, 0 to 1")
      ->capture_default_str();
  command.add_option("--hour-worth", s.hour_usd, "What an hour of your waiting is worth, in dollars")
      ->capture_default_str();
  command.add_option("--plot", flags->plot, "Write the month's cost over sessions a week to this file, as SVG")
      ->type_name("FILE");
  AddJsonFlag(command, flags->json);
  OnChosen(command, chosen, [flags] { return Advise(*flags); });
}

}  // namespace seamount::cli
