// Where the Python is that has the package `seamount`: beside this program in a build tree or a wheel, or the system's.
#pragma once

#include <string>
#include <vector>

namespace seamount::cli {

struct Python {
  std::string program;       // to execute: a path, or "python3"
  std::string package_path;  // to put before PYTHONPATH; empty when the program finds the package itself
};

// SEAMOUNT_PYTHON names another program.
Python FindPython();

// This program's own path.
std::string OwnPath();

// The environment with PYTHONPATH and SEAMOUNT_BINARY set for `python`, as "NAME=value".
std::vector<std::string> EnvironmentFor(const Python& python);

}  // namespace seamount::cli
