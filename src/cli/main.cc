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

namespace seamount::cli {
namespace {

constexpr char kExitCodes[] =
    "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 not found, 4 precondition failed (exists, changed),\n"
    "5 permission denied, 6 unauthenticated, 7 unavailable, 8 out of space or quota, 9 data corrupt, 130 interrupted.\n"
    "`vm run` passes on the exit code of the command it ran.";

// In the order of --help.
void AddCommands(CLI::App& app, Chosen& chosen) {
  AddServeCommand(app, chosen);
  AddSetupCommand(app, chosen);
  AddMountCommand(app, chosen);
  AddUmountCommand(app, chosen);
  AddPrepareCommand(app, chosen);
  AddLsCommand(app, chosen);
  AddVmCommand(app, chosen);
  AddDoctorCommand(app, chosen);
  AddDemoCommand(app, chosen);
}

// CLI11 reports an unknown command as a stray argument; we can do better. Empty when all commands named are known.
std::string UnknownCommand(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* at = &app;
  for (const std::string& argument : arguments) {
    std::vector<std::string> names;
    for (const CLI::App* command : at->get_subcommands({})) names.push_back(command->get_name());
    if (names.empty() || argument == "--") return "";
    if (argument.starts_with('-')) continue;
    const auto found = std::find(names.begin(), names.end(), argument);
    if (found == names.end()) return "unknown command '" + argument + "'" + base::NameHint(argument, names);
    at = at->get_subcommand(*found);
  }
  return "";
}

int PrintAndCode(const CLI::App& app, const std::string& command, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  const std::string help = command.empty() ? "seamount --help" : "seamount " + command + " --help";
  std::fprintf(stderr, "seamount%s%s: %s (%s explains)\n", command.empty() ? "" : " ", command.c_str(), error.what(),
               help.c_str());
  return kExitUsage;
}

// "vm up": the commands that parsing had come to when it failed.
std::string ParsedCommand(const CLI::App& app) {
  std::string name;
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    name += (name.empty() ? "" : " ") + at->get_name();
  }
  return name;
}

int Main(int argc, char** argv) {
  CLI::App app("Ties ephemeral compute to persistent data: serve, mount, prepare and load Earth-science data.",
               "seamount");
  app.set_version_flag("--version", "seamount " SEAMOUNT_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kExitCodes);
  int verbosity = 0;
  app.add_flag("-v,--verbose", verbosity, "Log what is done; twice: log every request");
  Chosen chosen;
  AddCommands(app, chosen);

  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (const std::string unknown = UnknownCommand(app, arguments); !unknown.empty()) {
    std::fprintf(stderr, "seamount: %s\n", unknown.c_str());
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return PrintAndCode(app, ParsedCommand(app), error);
  }
  if (verbosity > 0) base::SetLogLevel(verbosity > 1 ? base::LogLevel::kDebug : base::LogLevel::kInfo);
  const Result<int> result = chosen.run();
  if (result) return *result;
  std::fprintf(stderr, "seamount %s: %s\n", chosen.name.c_str(),
               base::Printable(result.error().message()).c_str());
  return ExitCodeOf(result.error().code());
}

}  // namespace
}  // namespace seamount::cli

int main(int argc, char** argv) { return seamount::cli::Main(argc, argv); }
