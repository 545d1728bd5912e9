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

// The command that parsing had come to when it failed, and its name: "vm up".
std::pair<const CLI::App*, std::string> ParsedCommand(const CLI::App& app) {
  std::string name;
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    name += (name.empty() ? "" : " ") + at->get_name();
  }
  return {at, name};
}

// What is wrong with the command line: of a flag that there is none of, the nearest that there is.
std::string Complaint(const CLI::App& command, const std::vector<std::string>& arguments,
                      const CLI::ParseError& error) {
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError)) return error.what();
  std::vector<std::string> flags;
  for (const CLI::App* at = &command; at; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    }
  }
  for (const std::string& argument : arguments) {
    const std::string flag = argument.substr(0, argument.find('='));
    if (flag == "--") break;
    if (!flag.starts_with("--") || std::find(flags.begin(), flags.end(), flag) != flags.end()) continue;
    const auto nearest = base::NearestName(flag, flags);
    return "there is no flag " + flag + (nearest ? ", did you mean " + *nearest + "?" : "");
  }
  return error.what();
}

int PrintAndCode(const CLI::App& app, const std::vector<std::string>& arguments, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  const auto [command, name] = ParsedCommand(app);
  const std::string program = name.empty() ? "seamount" : "seamount " + name;
  std::fprintf(stderr, "%s: %s (%s --help explains)\n", program.c_str(), Complaint(*command, arguments, error).c_str(),
               program.c_str());
  return kExitUsage;
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

  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    std::fputs(app.help().c_str(), stderr);
    return kExitUsage;
  }
  if (arguments.front() == "help") {  // as of other tools: `seamount help vm up`
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  if (const std::string unknown = UnknownCommand(app, arguments); !unknown.empty()) {
    std::fprintf(stderr, "seamount: %s\n", unknown.c_str());
    return kExitUsage;
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes them from the back
  } catch (const CLI::ParseError& error) {
    return PrintAndCode(app, arguments, error);
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
