// seamount vm: throw-away machines, on this host or at Google.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/json_rows.h"
#include "cli/listens.h"
#include "cli/vm_google.h"
#include "cloud/local/local_cloud.h"

namespace seamount::cli {
namespace {

using cloud::MachineInfo;

// Where the seamount command is in every machine, and the libraries that a wheel brings along for it.
constexpr char kBinaryInMachine[] = "/opt/seamount/bin/seamount";
constexpr char kLibrariesInMachine[] = "/opt/seamount.libs";

void ShareThisProgram(std::vector<cloud::Share>& shares) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return;
  shares.push_back({.from = self, .to = kBinaryInMachine});
  // $ORIGIN/../../seamount.libs, as auditwheel has it.
  const auto libraries = self.parent_path().parent_path().parent_path() / "seamount.libs";
  if (std::filesystem::is_directory(libraries, error)) {
    shares.push_back({.from = libraries, .to = kLibrariesInMachine});
  }
}

const char* StateOf(const MachineInfo& machine) {
  switch (machine.state) {
    case cloud::MachineState::kStarting: return "starting";
    case cloud::MachineState::kRunning: return machine.ends < base::RealClock().WallNow() ? "ending" : "running";
    case cloud::MachineState::kDead: return machine.ends < base::RealClock().WallNow() ? "expired" : "dead";
  }
  return "";
}

nlohmann::json ToJson(const MachineInfo& machine) {
  const auto seconds = [](base::SystemTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  return {{"name", machine.name},          {"state", StateOf(machine)},  {"started", seconds(machine.started)},
          {"ends", seconds(machine.ends)}, {"address", machine.address}, {"server", machine.server}};
}

// "FROM:TO", or "FROM" alone, which is then seen under its own path.
cloud::Share ParseShare(const std::string& text) {
  const size_t colon = text.rfind(":/");
  if (colon == std::string::npos || colon == 0) return {.from = text, .to = std::filesystem::absolute(text)};
  return {.from = text.substr(0, colon), .to = text.substr(colon + 1)};
}

struct UpOptions {
  std::string name, server, disk = "2GiB", memory;
  std::vector<std::string> shares;
  uint64_t lifetime_s = 24 * 3600;
  bool json = false;
  GoogleFlags google;
  GoogleUpFlags google_up;
};

Result<int> Up(const UpOptions& options) {
  if (options.google.chosen()) {
    return GoogleUp(options.google, options.google_up, options.name, options.lifetime_s, options.json);
  }
  cloud::MachineSpec spec{.name = options.name, .server = options.server};
  SEAMOUNT_TRY_ASSIGN(spec.disk_bytes, base::ParseBytes(options.disk));
  if (!options.memory.empty()) {
    SEAMOUNT_TRY_ASSIGN(spec.memory_bytes, base::ParseBytes(options.memory));
  }
  spec.lifetime = std::chrono::seconds(options.lifetime_s);
  for (const std::string& share : options.shares) spec.shares.push_back(ParseShare(share));
  ShareThisProgram(spec.shares);
  SEAMOUNT_TRY_ASSIGN(const auto cloud, cloud::local::OpenLocalCloud());
  SEAMOUNT_TRY_ASSIGN(const MachineInfo machine, cloud->Start(spec, Interruptible()));
  if (options.json) {
    std::puts(ToJson(machine).dump().c_str());
    return kExitOk;
  }
  std::printf("%s runs%s, and ends by itself after %s\n", machine.name.c_str(),
              machine.server.empty() ? ", without network" : (", reaches " + machine.server + " only").c_str(),
              base::FormatDuration(spec.lifetime).c_str());
  if (!machine.server.empty() && !Listens(machine.server)) {
    std::printf("Nothing listens at %s yet: seamount serve DIR --address %s --port %s\n", machine.server.c_str(),
                machine.server.substr(0, machine.server.rfind(':')).c_str(),
                machine.server.substr(machine.server.rfind(':') + 1).c_str());
  }
  std::printf("Next: seamount vm run %s -- COMMAND, then seamount vm down %s\n", machine.name.c_str(),
              machine.name.c_str());
  return kExitOk;
}

void AddUp(CLI::App& vm, Chosen& chosen) {
  CLI::App& command = AddCommand(vm, "up", "Start a machine; what it writes is gone when it goes",
                                 "seamount serve lab --address $(seamount vm address) --port 8080 &\n"
                                 "seamount vm up train --server 10.83.0.1:8080 --share .venv:/opt/seamount/venv\n"
                                 "seamount vm up train --cloud gce --bucket gs://lab --gpu l4 --spot --max-price 0.5\n"
                                 "seamount vm up train --cloud gce --bucket gs://lab --gpu a100 --wait 2h");
  const auto options = std::make_shared<UpOptions>();
  command.add_option("name", options->name, "Its name")->required();
  command
      .add_option("--server,--network", options->server,
                  "The one ADDRESS:PORT of this host that it reaches, at `seamount vm address` (default: none)")
      ->type_name("ADDR:PORT");
  command.add_option("--share", options->shares, "A file or folder of this host that it sees, read-only")
      ->type_name("FROM[:TO]")
      ->allow_extra_args(false);
  command.add_option("--disk", options->disk, "How much its disk, which lies in memory, may hold")
      ->type_name("SIZE")
      ->capture_default_str();
  command.add_option("--memory", options->memory, "How much its processes and its disk may take (default: no limit)")
      ->type_name("SIZE");
  AddTimeOption(command, "--lifetime", options->lifetime_s, "After which it ends by itself", "24h");
  AddGoogleFlags(command, options->google);
  AddGoogleUpFlags(command, options->google_up);
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] { return Up(*options); });
}

struct RunCommandOptions {
  std::string name;
  std::vector<std::string> argv, environment;
  GoogleFlags google;
  GoogleRunFlags google_run;
};

Result<int> RunIn(const RunCommandOptions& options) {
  cloud::RunOptions run{.argv = options.argv};
  if (!run.argv.empty() && run.argv[0] == "--") run.argv.erase(run.argv.begin());
  for (const std::string& variable : options.environment) {
    const size_t equals = variable.find('=');
    const std::string name = variable.substr(0, equals);
    if (name.empty()) return base::InvalidArgument("--env '" + variable + "': expected NAME or NAME=VALUE");
    if (equals != std::string::npos) {
      run.environment[name] = variable.substr(equals + 1);
    } else if (const char* value = std::getenv(name.c_str())) {
      run.environment[name] = value;
    } else {
      return base::InvalidArgument("--env " + name + ": there is no such variable here; expected NAME or NAME=VALUE");
    }
  }
  if (options.google.chosen()) {
    return GoogleRun(options.google, options.google_run, options.name, run.argv, run.environment);
  }
  if (const std::string flag = options.google_run.Chosen(); !flag.empty()) {
    return base::InvalidArgument(flag + " is of machines at Google: add --cloud gce, or leave it out");
  }
  if (run.argv.empty()) return base::InvalidArgument("expected a command, after --");
  SEAMOUNT_TRY_ASSIGN(const auto cloud, cloud::local::OpenLocalCloud());
  return cloud->Run(options.name, run, {});  // without a stop token: signals are the command's
}

void AddRun(CLI::App& vm, Chosen& chosen) {
  CLI::App& command = AddCommand(vm, "run", "Run a command in a machine, as root, and pass on its exit code",
                                 "seamount vm run train -- python3 train.py --epochs 20\n"
                                 "seamount vm run train --cloud gce --bucket gs://lab --folder . "
                                 "--restart-on-preemption -- python3 train.py");
  const auto options = std::make_shared<RunCommandOptions>();
  command.add_option("name", options->name, "The machine")->required();
  command
      .add_option("--env", options->environment,
                  "A variable of the command's environment; NAME alone passes on yours, and keeps a secret off the "
                  "command line")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false);
  AddGoogleFlags(command, options->google);
  AddGoogleRunFlags(command, options->google_run);
  command.add_option("command", options->argv, "The command and its arguments, after --");
  command.fallthrough(false);
  OnChosen(command, chosen, [options] { return RunIn(*options); });
}

using EndCall = Result<void> (cloud::Cloud::*)(const std::string&, const CallContext&);

void AddEnd(CLI::App& vm, Chosen& chosen, const char* name, const char* summary, EndCall end) {
  CLI::App& command = AddCommand(vm, name, summary, std::string("seamount vm ") + name + " train");
  const auto machine = std::make_shared<std::string>();
  const auto google = std::make_shared<GoogleFlags>();
  command.add_option("name", *machine, "The machine")->required();
  AddGoogleFlags(command, *google);
  OnChosen(command, chosen, [machine, google, end]() -> Result<int> {
    if (google->chosen()) return GoogleDown(*google, *machine);
    SEAMOUNT_TRY_ASSIGN(const auto cloud, cloud::local::OpenLocalCloud());
    SEAMOUNT_TRY(((*cloud).*end)(*machine, {}));
    return kExitOk;
  });
}

Result<int> List(bool as_json) {
  SEAMOUNT_TRY_ASSIGN(const auto cloud, cloud::local::OpenLocalCloud());
  SEAMOUNT_TRY_ASSIGN(const auto machines, cloud->List({}));
  if (as_json) return PrintJsonRows(machines, ToJson);
  if (machines.empty()) {
    std::puts("No machines (`seamount vm up NAME` starts one)");
    return kExitOk;
  }
  std::printf("%-30s  %-8s  %8s  %8s  %-14s  %s\n", "NAME", "STATE", "AGE", "ENDS IN", "ADDRESS", "SERVER");
  const base::SystemTime now = base::RealClock().WallNow();
  for (const MachineInfo& machine : machines) {
    const bool runs = machine.state == cloud::MachineState::kRunning && machine.ends > now;
    std::printf("%-30s  %-8s  %8s  %8s  %-14s  %s\n", machine.name.c_str(), StateOf(machine),
                base::FormatDuration(now - machine.started).c_str(),
                runs ? base::FormatDuration(machine.ends - now).c_str() : "-",
                machine.address.empty() ? "-" : machine.address.c_str(),
                machine.server.empty() ? "-" : machine.server.c_str());
  }
  return kExitOk;
}

void AddList(CLI::App& vm, Chosen& chosen) {
  CLI::App& command =
      AddCommand(vm, "ls", "List machines; a dead one crashed, an expired one ended: `vm down` clears it away",
                 "seamount vm ls --json\nseamount vm ls --cloud gce --bucket gs://lab --orphans");
  struct ListOptions {
    GoogleFlags google;
    bool orphans = false, json = false;
  };
  const auto options = std::make_shared<ListOptions>();
  AddGoogleFlags(command, options->google);
  command.add_flag("--orphans", options->orphans, "gce: only machines that nobody looks after");
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] {
    return options->google.chosen() ? GoogleList(options->google, options->orphans, options->json)
                                    : List(options->json);
  });
}

void AddAddress(CLI::App& vm, Chosen& chosen) {
  CLI::App& command =
      AddCommand(vm, "address", "Give this host an address that machines reach, and print it",
                 "seamount serve data --address $(seamount vm address) --port 8080\nseamount vm address --remove");
  const auto remove = std::make_shared<bool>(false);
  command.add_flag("--remove", *remove, "Take it away again");
  OnChosen(command, chosen, [remove]() -> Result<int> {
    if (*remove) {
      SEAMOUNT_TRY(cloud::local::DropHostAddress());
      return kExitOk;
    }
    SEAMOUNT_TRY_ASSIGN(const std::string address, cloud::local::MakeHostAddress());
    std::puts(address.c_str());
    return kExitOk;
  });
}

}  // namespace

void AddVmCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& vm = AddCommand(app, "vm", "Throw-away machines: on this host, or at Google with a GPU, a price and an end",
                            "seamount serve lab --address $(seamount vm address) --port 8080 &\n"
                            "seamount vm up train --server $(seamount vm address):8080\nseamount vm run train -- "
                            "hostname\nseamount vm down train");
  vm.require_subcommand(1);
  AddUp(vm, chosen);
  AddRun(vm, chosen);
  AddEnd(vm, chosen, "down", "Let a machine's processes end, then take it away", &cloud::Cloud::Stop);
  AddEnd(vm, chosen, "kill", "SIGKILL everything in a machine at once, as a preemption does", &cloud::Cloud::Kill);
  AddList(vm, chosen);
  AddGoogleCommands(vm, chosen);
  AddAddress(vm, chosen);
}

}  // namespace seamount::cli
