// What the commands share. A command is one file, cmd_<name>.cc, with one function Add<Name>Command that declares its
// flags and hands over what to run; flags → options struct → one module call → print.
//
// To add a command: declare Add<Name>Command at the end of this header, call it in main.cc, list the file in
// CMakeLists.txt.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "stores/open_store.h"

namespace CLI {
class App;
}

namespace seamount::cli {

// Exit codes, one for what a script would decide differently about; docs/exit-codes.md lists them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // a bug, or a check that does not hold (doctor, demo)
inline constexpr int kExitUsage = 2;
int ExitCodeOf(ErrorCode code);

// What a command does once its flags are parsed. An error is printed as "seamount <command>: <message>" on stderr and
// becomes ExitCodeOf(its code); otherwise the value is the exit code.
using Run = std::function<Result<int>()>;

// The command that the command line asked for.
struct Chosen {
  std::string name;  // "vm up"
  Run run;
};

// Makes a subcommand whose --help ends with `examples` (one command line each, separated by '\n').
CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& summary,
                     const std::string& examples);
// Makes `run` the chosen one when the command line names `command`.
void OnChosen(CLI::App& command, Chosen& chosen, Run run);

// --endpoint, --ca, --key, --anonymous: of every command that touches a bucket. `flags` must outlive parsing; commands
// keep it in a shared_ptr captured by their Run.
struct StoreFlags {
  std::string endpoint;
  std::string key;
  bool anonymous = false;
};
void AddStoreFlags(CLI::App& command, StoreFlags& flags);
// The first two of them alone.
void AddEndpointFlag(CLI::App& command, std::string& endpoint);
stores::StoreConfig ConfigFromFlags(const StoreFlags& flags);
Result<std::shared_ptr<Store>> OpenFromFlags(const std::string& url, const StoreFlags& flags);

void AddJsonFlag(CLI::App& command, bool& json);

// "1 object", "2 objects".
std::string Count(uint64_t number, const char* what);
// All of it to standard output.
Result<void> WriteOutput(const Bytes& bytes);

// A context that SIGINT and SIGTERM stop; the second signal ends the program at once. The first call in a process
// starts listening for the signals, so a command that forks calls it after the fork.
CallContext Interruptible();

// Declared here, defined each in cmd_<name>.cc, called in main.cc.
void AddServeCommand(CLI::App& app, Chosen& chosen);
void AddFsckCommand(CLI::App& app, Chosen& chosen);
void AddSetupCommand(CLI::App& app, Chosen& chosen);
void AddMountCommand(CLI::App& app, Chosen& chosen);
void AddUmountCommand(CLI::App& app, Chosen& chosen);
void AddPrepareCommand(CLI::App& app, Chosen& chosen);
void AddPlanCommand(CLI::App& app, Chosen& chosen);
void AddLsCommand(CLI::App& app, Chosen& chosen);
void AddCpCommand(CLI::App& app, Chosen& chosen);
void AddCatCommand(CLI::App& app, Chosen& chosen);
void AddRmCommand(CLI::App& app, Chosen& chosen);
void AddDuCommand(CLI::App& app, Chosen& chosen);
void AddBenchCommand(CLI::App& app, Chosen& chosen);
void AddKeysCommand(CLI::App& app, Chosen& chosen);
void AddDemoCommand(CLI::App& app, Chosen& chosen);
void AddDoctorCommand(CLI::App& app, Chosen& chosen);
void AddVersionCommand(CLI::App& app, Chosen& chosen);
void AddVmCommand(CLI::App& app, Chosen& chosen);
void AddNotebookCommand(CLI::App& app, Chosen& chosen);
void AddCostCommand(CLI::App& app, Chosen& chosen);
void AddAdviseCommand(CLI::App& app, Chosen& chosen);
void AddCompletionCommand(CLI::App& app, Chosen& chosen);
void AddTopCommand(CLI::App& app, Chosen& chosen);

}  // namespace seamount::cli
