// Runs a system program to its end, by argv, never through a shell.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace seamount::cloud::local {

// Runs argv[0] (looked up in PATH) with `input` as its standard input, in the network namespace of `netns_fd` (-1: our
// own), and returns what it wrote to standard output. A non-zero exit is Internal with what it wrote to standard error;
// a program that is not installed is NotFound.
Result<std::string> RunProgram(const std::vector<std::string>& argv, const std::string& input = "", int netns_fd = -1);

}  // namespace seamount::cloud::local
