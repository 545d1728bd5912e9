// What is written from the commands' own flags, so that it can never be of another version: the manual page and the
// completion of shells.
#pragma once

#include <string>

#include "base/result.h"

namespace CLI {
class App;
}

namespace seamount::cli {

// seamount(1) in roff.
std::string ManualPage(const CLI::App& app, const std::string& version);

// A script that completes commands, flags and file names: bash, zsh or fish.
Result<std::string> CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace seamount::cli
