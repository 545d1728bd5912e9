// Checks of this machine.
#include <fcntl.h>
#include <spawn.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "cli/checks.h"
#include "cli/python.h"
#include "source/geotiff/library.h"
#include "source/grib/library.h"

namespace seamount::cli {
namespace {

namespace fs = std::filesystem;

Check CheckFuse() {
  Check check{.name = "mounting"};
  const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  const int error = errno;
  if (fd >= 0) {
    close(fd);
    check.detail = "/dev/fuse opens";
    return check;
  }
  check.finding = Finding::kFailure;
  check.detail = std::string("/dev/fuse: ") + std::strerror(error);
  check.advice = error == ENOENT ? "load it (modprobe fuse); in a container, start that with --device /dev/fuse"
                                 : "run as root; in a container, start that with --privileged";
  return check;
}

bool IsInstalled(const std::string& program) {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : base::Split(path ? path : "", ':')) {
    if (access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

Check CheckRights() {
  if (geteuid() == 0) return {.name = "rights", .detail = "root: mount and vm work"};
  if (IsInstalled("fusermount3")) {
    return {.name = "rights", .detail = "not root: mount works, by fusermount3; vm needs sudo"};
  }
  return {.name = "rights",
          .finding = Finding::kWarning,
          .detail = "not root, and fusermount3 is not installed",
          .advice = "mount as root, or apt-get install fuse3; vm needs sudo"};
}

bool HasOverlay() {
  std::ifstream file("/proc/filesystems");
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with("overlay")) return true;
  }
  return false;
}

Check CheckMachines() {
  const std::string only = "only `seamount vm` and `seamount demo` need it: ";
  if (!HasOverlay()) {
    return {.name = "machines",
            .finding = Finding::kWarning,
            .detail = "this kernel has no overlayfs loaded",
            .advice = only + "modprobe overlay"};
  }
  if (!IsInstalled("ip")) {
    return {.name = "machines",
            .finding = Finding::kWarning,
            .detail = "the program 'ip' is not installed",
            .advice = only + "apt-get install iproute2"};
  }
  return {.name = "machines", .detail = "overlayfs and iproute2 are there"};
}

Check CheckCacheSpace(const std::string& cache_dir) {
  constexpr uint64_t kLittle = 1ULL << 30;
  fs::path at = cache_dir;
  std::error_code error;
  while (!at.empty() && at != at.root_path() && !fs::exists(at, error)) at = at.parent_path();
  struct statvfs space;
  Check check{.name = "cache"};
  if (statvfs(at.c_str(), &space) != 0) {
    check.finding = Finding::kFailure;
    check.detail = at.string() + ": " + std::strerror(errno);
    check.advice = "name another folder with --cache-dir";
    return check;
  }
  const uint64_t free = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
  check.detail = base::FormatBytes(free) + " free for " + cache_dir;
  std::string probe = at.string() + "/.seamount-XXXXXX";
  if (mkdtemp(probe.data()) != nullptr) {
    rmdir(probe.c_str());
  } else {
    check.finding = Finding::kFailure;
    check.detail = at.string() + " cannot be written: " + std::strerror(errno);
    check.advice = "name another folder with --cache-dir";
    return check;
  }
  if (free < kLittle) {
    check.finding = Finding::kWarning;
    check.advice = "make room, or name another folder with --cache-dir";
  }
  return check;
}

// The exit code of a program with its output thrown away; -1 when it cannot be started.
int ExitOf(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  std::vector<char*> arguments, variables;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  for (const std::string& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (const int fd : {0, 1, 2}) posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, arguments[0], &files, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Check CheckPython() {
  const Python python = FindPython();
  if (ExitOf({python.program, "-c", "import seamount"}, EnvironmentFor(python)) == 0) {
    return {.name = "python", .detail = python.program + " imports seamount"};
  }
  return {.name = "python",
          .finding = Finding::kWarning,
          .detail = python.program + " does not import seamount",
          .advice = "pip install seamount, or name another Python with SEAMOUNT_PYTHON; only the loader needs it"};
}

// What is loaded where the machine has it, and asked for by few.
Check CheckFormats() {
  const auto grib = source::grib::EcCodes();
  const auto geotiff = source::geotiff::Gdal();
  Check check{.name = "formats", .detail = "prepare reads NetCDF and Zarr"};
  if (grib) check.detail += ", GRIB";
  if (geotiff) check.detail += ", GeoTIFF";
  if (!grib) check.detail += "; " + grib.error().message();
  if (!geotiff) check.detail += "; " + geotiff.error().message();
  return check;
}

}  // namespace

void CheckMachine(const std::string& cache_dir, const Hear& hear) {
  hear(CheckFuse());
  hear(CheckRights());
  hear(CheckMachines());
  hear(CheckCacheSpace(cache_dir));
  hear(CheckPython());
  hear(CheckFormats());
}

}  // namespace seamount::cli
