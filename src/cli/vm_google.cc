#include "cli/vm_google.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/json_rows.h"
#include "cloud/gce/machines.h"
#include "cloud/gce/notebook.h"
#include "gcs/roles.h"
#include "stores/setup.h"

namespace seamount::cli {
namespace {

using cloud::gce::MachineRow;

// Drivers for GPUs are part of the one; the other is the smallest that has what a machine needs to end itself.
constexpr char kGpuImage[] =
    "projects/ubuntu-os-accelerator-images/global/images/family/ubuntu-accelerator-2204-amd64-with-nvidia-580";
constexpr char kPlainImage[] = "projects/debian-cloud/global/images/family/debian-12";
int64_t SecondsOf(base::SystemTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// What a machine has cost since it was started, without its disk.
std::optional<double> CostOf(const MachineRow& row, base::SystemTime now) {
  if (!row.usd_per_hour || row.state == "creating" || row.state == "ended") return std::nullopt;
  return *row.usd_per_hour * std::max(0.0, std::chrono::duration<double, std::ratio<3600>>(now - row.started).count());
}

nlohmann::json ToJson(const MachineRow& row) {
  nlohmann::json json = {{"name", row.name},       {"zone", row.zone},     {"machine", row.machine_type},
                         {"state", row.state},     {"bucket", row.bucket}, {"started", SecondsOf(row.started)},
                         {"orphan", row.is_orphan}};
  if (row.usd_per_hour) json["usd_per_hour"] = *row.usd_per_hour;
  if (const auto cost = CostOf(row, base::RealClock().WallNow())) json["usd"] = *cost;
  if (row.ends) json["ends"] = SecondsOf(*row.ends);
  if (row.lease_ends) json["lease_ends"] = SecondsOf(*row.lease_ends);
  return json;
}

std::string Dollars(const std::optional<double>& usd) { return usd ? cost::DollarText(*usd) : "-"; }

std::string In(const std::optional<base::SystemTime>& time, base::SystemTime now) {
  if (!time) return "-";
  return *time <= now ? "over" : base::FormatDuration(*time - now);
}

void PrintTable(const std::vector<MachineRow>& rows) {
  const base::SystemTime now = base::RealClock().WallNow();
  std::printf("%-20s  %-9s  %-18s  %-16s  %6s  %7s  %8s  %8s\n", "NAME", "STATE", "ZONE", "MACHINE", "$/H", "SO FAR",
              "LEASE", "ENDS IN");
  for (const MachineRow& row : rows) {
    std::printf("%-20s  %-9s  %-18s  %-16s  %6s  %7s  %8s  %8s%s\n", row.name.c_str(), row.state.c_str(),
                row.zone.c_str(), row.machine_type.c_str(), Dollars(row.usd_per_hour).c_str(),
                Dollars(CostOf(row, now)).c_str(), In(row.lease_ends, now).c_str(), In(row.ends, now).c_str(),
                row.is_orphan ? "  orphan" : "");
  }
}

cost::Provisioning ProvisioningOf(const GoogleUpFlags& up) {
  if (up.spot) return cost::Provisioning::kSpot;
  return up.flex_start ? cost::Provisioning::kFlexStart : cost::Provisioning::kStandard;
}

Result<cloud::gce::UpRequest> RequestOf(const Google& google, const GoogleUpFlags& up, const std::string& name,
                                        uint64_t lifetime_s) {
  if (up.spot && up.flex_start) return base::InvalidArgument("--spot and --flex-start: one of them");
  constexpr uint64_t kShortestRun = 30, kLongestRun = 120 * 24 * 3600, kLongestFlex = 7 * 24 * 3600;
  const uint64_t longest = up.flex_start ? kLongestFlex : kLongestRun;
  if (lifetime_s < kShortestRun || lifetime_s > longest) {
    return base::InvalidArgument("--lifetime " + std::to_string(lifetime_s) + " s: Google takes 30 s to " +
                                 std::to_string(longest / 86400) + " days");
  }
  if (up.lease_s < 60) return base::InvalidArgument("--lease: a minute at least");
  cloud::gce::UpRequest request{.name = name};
  SEAMOUNT_TRY_ASSIGN(request.wish.machine, cost::FindMachine(up.gpu, up.machine_type));
  request.wish.provisioning = ProvisioningOf(up);
  request.wish.places = up.places;
  request.wish.bucket_location = google.bucket_location;
  if (up.max_price > 0) request.wish.max_usd_per_hour = up.max_price;
  request.wait = std::chrono::seconds(up.wait_s);
  SEAMOUNT_TRY_ASSIGN(const uint64_t disk, base::ParseBytes(up.boot_disk));
  SEAMOUNT_TRY_ASSIGN(const gcs::Role writer, gcs::FindRole("writer"));
  const bool has_gpu = !request.wish.machine.gpu.empty();
  request.plan = {.image = !up.image.empty() ? up.image
                           : has_gpu         ? kGpuImage
                                             : kPlainImage,
                  .disk_gib = std::max<uint64_t>(disk >> 30, 10),
                  .network = up.network,
                  .service_account = !up.service_account.empty() ? up.service_account
                                                                 : stores::AccountIdOf(google.bucket, writer) + "@" +
                                                                       google.project + ".iam.gserviceaccount.com",
                  .secure_boot = !up.no_secure_boot,
                  .lifetime = std::chrono::seconds(lifetime_s),
                  .idle = std::chrono::seconds(up.idle_s),
                  .lease = std::chrono::seconds(up.lease_s)};
  return request;
}

std::string SshCommand(const cloud::gce::Intent& intent) { return base::Join(cloud::gce::SshArguments(intent), " "); }

}  // namespace

void AddGoogleUpFlags(CLI::App& command, GoogleUpFlags& flags) {
  command.add_option("--gpu", flags.gpu, "gce: which GPU, and how many: t4, l4, l4:2, a100, a100-80gb, h100:8")
      ->type_name("NAME[:N]");
  command.add_option("--machine-type", flags.machine_type, "gce: which machine (default: the smallest with that GPU)");
  command.add_flag("--spot", flags.spot, "gce: cheaper, and taken away at any time");
  command.add_flag("--flex-start", flags.flex_start, "gce: queued until there is room; for a week at most");
  command.add_option("--region", flags.places, "gce: a region or zone to try (default: all; the cheapest first)")
      ->allow_extra_args(false);
  command.add_option("--max-price", flags.max_price, "gce: start nothing that costs more an hour, in dollars")
      ->check(CLI::PositiveNumber);
  AddTimeOption(command, "--wait", flags.wait_s, "gce: keep trying for so long where none is left", "0s");
  AddTimeOption(command, "--lease", flags.lease_s, "gce: after which it ends unless `vm extend` or `vm ssh` renew it",
                "2h");
  AddTimeOption(command, "--idle", flags.idle_s, "gce: without use, after which it ends itself; 0s: never", "30min");
  command.add_option("--service-account", flags.service_account,
                     "gce: what the machine acts as (default: the account that `seamount setup` made for the bucket)");
  command.add_option("--image", flags.image, "gce: its system (default: Ubuntu 22.04 with NVIDIA's driver, or Debian)")
      ->type_name("projects/P/global/images/family/F");
  command.add_option("--boot-disk", flags.boot_disk, "gce: size of its disk")->type_name("SIZE")->capture_default_str();
  command.add_option("--vpc", flags.network, "gce: its network, whose subnets have Private Google Access")
      ->capture_default_str();
  command.add_flag("--no-secure-boot", flags.no_secure_boot, "gce: for images whose drivers are not signed");
}

Result<int> GoogleUp(const GoogleFlags& flags, const GoogleUpFlags& up, const std::string& name, uint64_t lifetime_s,
                     bool json) {
  SEAMOUNT_TRY_ASSIGN(const Google google, OpenGoogle(flags));
  SEAMOUNT_TRY_ASSIGN(const auto request, RequestOf(google, up, name, lifetime_s));
  const auto said = [&](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
  if (google.bucket_location.empty()) {
    said("where bucket '" + google.bucket + "' lies may not be read: zones are compared without its traffic");
  }
  SEAMOUNT_TRY_ASSIGN(const auto intent, google.machines->Up(request, said, Interruptible()));
  if (json) {
    nlohmann::json shown = {{"name", name},
                            {"instance", intent.instance()},
                            {"project", intent.project},
                            {"zone", intent.zone},
                            {"machine", intent.machine_type},
                            {"provisioning", intent.provisioning},
                            {"ends", SecondsOf(intent.asked + intent.lifetime)},
                            {"ssh", SshCommand(intent)}};
    if (intent.usd_per_hour) shown["usd_per_hour"] = *intent.usd_per_hour;
    std::puts(shown.dump().c_str());
    return kExitOk;
  }
  const auto disk = cost::DiskPerHour(static_cast<double>(request.plan.disk_gib), cloud::gce::RegionOf(intent.zone));
  std::printf("%s runs in %s: %s, %s, $%s/h and its disk $%s/h (about: prices collected %s)\n", name.c_str(),
              intent.zone.c_str(), intent.machine_type.c_str(), intent.provisioning.c_str(),
              Dollars(intent.usd_per_hour).c_str(), Dollars(disk).c_str(), cost::kPricesOf);
  const std::string unused = up.idle_s > 0 ? ", after " + base::FormatDuration(request.plan.idle) + " without use" : "";
  std::printf("It ends by itself: in %s unless its lease is renewed%s, and in %s for sure\n",
              base::FormatDuration(request.plan.lease).c_str(), unused.c_str(),
              base::FormatDuration(request.plan.lifetime).c_str());
  std::printf("Next: $(seamount vm ssh %s), then seamount vm down %s\n", name.c_str(), name.c_str());
  return kExitOk;
}

Result<int> GoogleDown(const GoogleFlags& flags, const std::string& name) {
  SEAMOUNT_TRY_ASSIGN(const Google google, OpenGoogle(flags));
  SEAMOUNT_TRY(google.machines->Down(name, Interruptible()));
  return kExitOk;
}

Result<int> GoogleList(const GoogleFlags& flags, bool orphans, bool json) {
  SEAMOUNT_TRY_ASSIGN(const Google google, OpenGoogle(flags));
  SEAMOUNT_TRY_ASSIGN(auto rows, google.machines->List(Interruptible()));
  if (orphans) std::erase_if(rows, [](const MachineRow& row) { return !row.is_orphan; });
  if (json) return PrintJsonRows(rows, ToJson);
  if (rows.empty()) {
    std::puts(orphans ? "No machine that nobody looks after" : "No machines (`seamount vm up NAME` starts one)");
    return kExitOk;
  }
  PrintTable(rows);
  return kExitOk;
}

namespace {

struct NamedFlags {
  GoogleFlags google;
  std::string name;
  uint64_t lease_s = 2 * 3600;
  bool follow = false;
};

std::shared_ptr<NamedFlags> AddNamed(CLI::App& command) {
  auto flags = std::make_shared<NamedFlags>();
  flags->google.cloud = "gce";
  command.add_option("name", flags->name, "The machine")->required();
  AddGoogleFlags(command, flags->google);
  return flags;
}

Result<int> Extend(const NamedFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const Google google, OpenGoogle(flags.google));
  SEAMOUNT_TRY_ASSIGN(const auto row,
                      google.machines->Extend(flags.name, std::chrono::seconds(flags.lease_s), Interruptible()));
  const base::SystemTime now = base::RealClock().WallNow();
  std::printf("%s: its lease is over in %s, its lifetime in %s\n", flags.name.c_str(), In(row.lease_ends, now).c_str(),
              In(row.ends, now).c_str());
  if (row.ends && row.lease_ends && *row.ends < *row.lease_ends) {
    std::fprintf(stderr, "Google ends it before: its lifetime was set when it was started (`vm up --lifetime`)\n");
  }
  return kExitOk;
}

Result<int> Ssh(const NamedFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const Google google, OpenGoogle(flags.google));
  SEAMOUNT_TRY_ASSIGN(const auto intent, google.machines->Find(flags.name, Interruptible()));
  SEAMOUNT_TRY(google.machines->Extend(flags.name, std::chrono::seconds(flags.lease_s), Interruptible()));
  std::puts(SshCommand(intent).c_str());
  return kExitOk;
}

Result<int> Logs(const NamedFlags& flags) {
  constexpr std::chrono::seconds kBetweenLooks(2);
  SEAMOUNT_TRY_ASSIGN(const Google google, OpenGoogle(flags.google));
  const CallContext context = Interruptible();
  for (uint64_t start = 0;;) {
    SEAMOUNT_TRY_ASSIGN(const auto output, google.machines->Console(flags.name, start, context));
    std::fwrite(output.text.data(), 1, output.text.size(), stdout);
    std::fflush(stdout);
    start = output.next;
    if (!flags.follow || !base::RealClock().SleepFor(kBetweenLooks, context.stop)) return kExitOk;
  }
}

}  // namespace

void AddGoogleCommands(CLI::App& vm, Chosen& chosen) {
  CLI::App& extend = AddCommand(vm, "extend", "gce: renew a machine's lease", "seamount vm extend train --lease 3h");
  const auto extended = AddNamed(extend);
  AddTimeOption(extend, "--lease", extended->lease_s, "From now on", "2h");
  OnChosen(extend, chosen, [extended] { return Extend(*extended); });

  CLI::App& ssh = AddCommand(vm, "ssh", "gce: print the command that opens a shell in a machine, and renew its lease",
                             "$(seamount vm ssh train)\n$(seamount vm ssh train) -- -L 8888:localhost:8888");
  const auto reached = AddNamed(ssh);
  AddTimeOption(ssh, "--lease", reached->lease_s, "From now on", "2h");
  OnChosen(ssh, chosen, [reached] { return Ssh(*reached); });

  CLI::App& logs = AddCommand(vm, "logs", "gce: what a machine's console has said", "seamount vm logs train --follow");
  const auto read = AddNamed(logs);
  logs.add_flag("--follow", read->follow, "And what it will say, until Ctrl-C");
  OnChosen(logs, chosen, [read] { return Logs(*read); });
}

}  // namespace seamount::cli
