// The command line `seamount`: parses, runs the one command chosen, turns its error into a line and an exit code.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/help.h"
#include "cli/manual.h"

namespace seamount::cli {
namespace {

constexpr char kExitCodes[] =
    "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 not found, 4 precondition failed (exists, changed), "
    "5 permission denied, 6 unauthenticated, 7 unavailable, 8 out of space or quota, 9 data corrupt, 130 interrupted. "
    "`vm run` passes on the exit code of the command it ran.";

// In the order of --help.
void AddCommands(CLI::App& app, Chosen& chosen) {
  AddServeCommand(app, chosen);
  AddFsckCommand(app, chosen);
  AddSetupCommand(app, chosen);
  AddMountCommand(app, chosen);
  AddUmountCommand(app, chosen);
  AddPrepareCommand(app, chosen);
  AddPlanCommand(app, chosen);
  AddLsCommand(app, chosen);
  AddCpCommand(app, chosen);
  AddCatCommand(app, chosen);
  AddRmCommand(app, chosen);
  AddDuCommand(app, chosen);
  AddTopCommand(app, chosen);
  AddBenchCommand(app, chosen);
  AddKeysCommand(app, chosen);
  AddVersionCommand(app, chosen);
  AddVmCommand(app, chosen);
  AddNotebookCommand(app, chosen);
  AddCostCommand(app, chosen);
  AddAdviseCommand(app, chosen);
  AddDoctorCommand(app, chosen);
  AddDemoCommand(app, chosen);
  AddCompletionCommand(app, chosen);
}

int Main(int argc, char** argv) {
  CLI::App app("Ties ephemeral compute to persistent data: serve, mount, prepare and load Earth-science data.",
               "seamount");
  app.set_version_flag("-V,--version", "seamount " SEAMOUNT_VERSION);
  app.formatter(MakeHelpFormatter());
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kExitCodes);
  int verbosity = 0;
  app.add_flag("-v,--verbose", verbosity, "Log what is done; twice: log every request");
  Chosen chosen;
  AddCommands(app, chosen);

  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    std::fputs(app.help().c_str(), stderr);
    return kExitUsage;
  }
  if (arguments == std::vector<std::string>{"version"}) arguments = {"--version"};
  if (arguments == std::vector<std::string>{"help", "--man"}) {
    std::fputs(ManualPage(app, SEAMOUNT_VERSION).c_str(), stdout);
    return kExitOk;
  }
  if (arguments.front() == "help") {  // as of other tools: `seamount help vm up`
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  arguments = WithFlagsBehindCommand(app, std::move(arguments));
  if (const std::string unknown = UnknownCommand(app, arguments); !unknown.empty()) {
    std::fprintf(stderr, "seamount: %s\n", unknown.c_str());
    return kExitUsage;
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes them from the back
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::fprintf(stderr, "%s\n", Complaint(app, arguments, error).c_str());
    return kExitUsage;
  }
  if (verbosity > 0) base::SetLogLevel(verbosity > 1 ? base::LogLevel::kDebug : base::LogLevel::kInfo);
  const Result<int> result = chosen.run();
  if (result) return *result;
  std::fprintf(stderr, "seamount %s: %s\n", chosen.name.c_str(), base::Printable(result.error().message()).c_str());
  return ExitCodeOf(result.error().code());
}

}  // namespace
}  // namespace seamount::cli

int main(int argc, char** argv) { return seamount::cli::Main(argc, argv); }
