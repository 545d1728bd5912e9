// seamount completion: a script for the shell.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/manual.h"

namespace seamount::cli {

void AddCompletionCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "completion", "Print a script that lets the shell complete commands and flags",
                                 "eval \"$(seamount completion bash)\"\n"
                                 "seamount completion fish > ~/.config/fish/completions/seamount.fish");
  const auto shell = std::make_shared<std::string>();
  command.add_option("SHELL", *shell, "bash, zsh or fish")->required();
  OnChosen(command, chosen, [&app, shell]() -> Result<int> {
    SEAMOUNT_TRY_ASSIGN(const std::string script, CompletionScript(app, *shell));
    std::fputs(script.c_str(), stdout);
    return kExitOk;
  });
}

}  // namespace seamount::cli
