// seamount demo: becomes the package's demo, which drives this command line as a person would.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>

#include "cli/command.h"
#include "cli/python.h"

namespace seamount::cli {
namespace {

struct DemoOptions {
  std::string work_dir, output = "winds.png";
  bool keep = false, quick = false, json = false;
};

Result<int> BecomeDemo(const DemoOptions& options) {
  const Python python = FindPython();
  std::vector<std::string> argv = {python.program, "-m", "seamount.demo", "--output", options.output};
  if (!options.work_dir.empty()) argv.insert(argv.end(), {"--work-dir", options.work_dir});
  if (options.keep) argv.push_back("--keep");
  if (options.quick) argv.push_back("--quick");
  if (options.json) argv.push_back("--json");
  const std::vector<std::string> environment = EnvironmentFor(python);
  std::vector<char*> arguments, variables;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  for (const std::string& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  execvpe(arguments[0], arguments.data(), variables.data());
  return base::NotFound("starting '" + python.program + "': " + std::strerror(errno) +
                        " (SEAMOUNT_PYTHON names the Python that has the package seamount)");
}

}  // namespace

void AddDemoCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command =
      AddCommand(app, "demo", "The whole way on real data: serve, prepare, train, be killed, resume, forecast",
                 "sudo seamount demo --output winds.png");
  const auto options = std::make_shared<DemoOptions>();
  command.add_option("--output", options->output, "Where the picture goes")->type_name("FILE")->capture_default_str();
  command.add_option("--work-dir", options->work_dir, "Where the folder for the server's data and logs is made")
      ->type_name("DIR");
  command.add_flag("--keep", options->keep, "Leave that folder behind");
  command.add_flag("--quick", options->quick, "Train for a few epochs only; the skill is shown, not checked");
  command.add_flag("--json", options->json, "Print the closing table as JSON on the last line");
  OnChosen(command, chosen, [options] { return BecomeDemo(*options); });
}

}  // namespace seamount::cli
