#include "fuse/mount_users.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace seamount::fuse {
namespace {

namespace fs = std::filesystem;

// Enough to know what to close.
constexpr size_t kMostNamed = 4;

// Nothing is asked of the mount itself: a link in /proc is text.
bool LeadsBelow(const fs::path& link, const std::string& path) {
  std::error_code error;
  const std::string target = fs::read_symlink(link, error).string();
  return !error && (target == path || target.starts_with(path + "/"));
}

bool Uses(const fs::path& process, const std::string& path) {
  for (const char* link : {"cwd", "root", "exe"}) {
    if (LeadsBelow(process / link, path)) return true;
  }
  std::error_code error;
  for (fs::directory_iterator file(process / "fd", error), end; !error && file != end; file.increment(error)) {
    if (LeadsBelow(file->path(), path)) return true;
  }
  // Memory maps whose file is closed.
  std::ifstream maps(process / "maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t name = line.find('/');
    if (name != std::string::npos && line.substr(name).starts_with(path + "/")) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> UsersOf(const std::string& path) {
  std::vector<std::string> users;
  std::error_code error;
  for (fs::directory_iterator process("/proc", error), end; !error && process != end; process.increment(error)) {
    const std::string number = process->path().filename().string();
    if (!std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; })) continue;
    if (number == std::to_string(getpid()) || !Uses(process->path(), path)) continue;
    std::string name;
    std::getline(std::ifstream(process->path() / "comm"), name);
    users.push_back(name + " (process " + number + ")");
    if (users.size() == kMostNamed) break;
  }
  return users;
}

}  // namespace seamount::fuse
