#include "cli/python.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace seamount::cli {
namespace {

namespace fs = std::filesystem;

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

std::string OwnPath() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).string();
}

Python FindPython() {
  Python python{.program = "python3"};
  const fs::path self = OwnPath();
  const fs::path package = self.parent_path().parent_path();  // of a wheel: …/seamount/bin/seamount
  const fs::path tree = self.parent_path().parent_path().parent_path().parent_path().parent_path();  // build/x/src/cli
  if (Exists(package / "__init__.py")) {
    python.package_path = package.parent_path();
  } else if (Exists(tree / "python" / "seamount" / "__init__.py")) {
    python.package_path = tree / "python";
    if (Exists(tree / ".venv" / "bin" / "python")) python.program = tree / ".venv" / "bin" / "python";
  }
  if (const char* named = std::getenv("SEAMOUNT_PYTHON"); named && *named) python.program = named;
  return python;
}

std::vector<std::string> EnvironmentFor(const Python& python) {
  std::vector<std::string> all;
  std::string path = python.package_path;
  for (char** variable = environ; *variable; ++variable) {
    const std::string text = *variable;
    if (text.starts_with("SEAMOUNT_BINARY=")) continue;
    if (text.starts_with("PYTHONPATH=")) {
      const std::string before = text.substr(11);
      if (!before.empty()) path += (path.empty() ? "" : ":") + before;
      continue;
    }
    all.push_back(text);
  }
  if (!path.empty()) all.push_back("PYTHONPATH=" + path);
  all.push_back("SEAMOUNT_BINARY=" + OwnPath());
  return all;
}

}  // namespace seamount::cli
