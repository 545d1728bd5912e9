#include "cloud/local/control_group.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "base/os_error.h"

namespace seamount::cloud::local {
namespace {

struct Controller {
  std::string directory;    // under which groups are made
  const char* limit;        // of memory
  const char* swap;         // of what may be swapped out, which must not be a way around it
  bool swap_counts_memory;  // whether that limit is of both together
};

bool HasWord(const std::string& path, std::string_view word) {
  std::ifstream file(path);
  for (std::string found; file >> found;) {
    if (found == word) return true;
  }
  return false;
}

Result<void> WriteValue(const std::string& path, const std::string& value) {
  const base::Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), value.data(), value.size()) < 0) return base::OsError(errno, "writing " + path);
  return {};
}

Result<Controller> FindController(const std::string& root) {
  if (HasWord(root + "/cgroup.controllers", "memory")) {
    if (!HasWord(root + "/cgroup.subtree_control", "memory")) {
      SEAMOUNT_TRY(WriteValue(root + "/cgroup.subtree_control", "+memory"));
    }
    return Controller{root, "memory.max", "memory.swap.max", false};
  }
  if (access((root + "/memory/memory.limit_in_bytes").c_str(), F_OK) == 0) {
    return Controller{root + "/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", true};
  }
  return base::NotFound("no memory controller under " + root);
}

Result<std::string> Make(const std::string& name, uint64_t bytes, const std::string& control_groups) {
  SEAMOUNT_TRY_ASSIGN(const Controller controller, FindController(control_groups));
  const std::string directory = controller.directory + "/" + name;
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return base::OsError(errno, "making " + directory);
  if (const auto limited = WriteValue(directory + "/" + controller.limit, std::to_string(bytes)); !limited) {
    RemoveControlGroup(directory);
    return limited.error();
  }
  // Not every kernel accounts for swap.
  (void)WriteValue(directory + "/" + controller.swap, controller.swap_counts_memory ? std::to_string(bytes) : "0");
  return directory;
}

}  // namespace

Result<std::string> MakeControlGroup(const std::string& name, uint64_t bytes, const std::string& control_groups) {
  auto made = Make(name, bytes, control_groups);
  if (made) return made;
  return base::PreconditionFailed("memory cannot be limited on this host (" + made.error().message() +
                                  "): leave the limit out, or make control groups writable");
}

Result<void> JoinControlGroup(const std::string& directory) {
  return WriteValue(directory + "/cgroup.procs", "0");  // 0: the writer
}

void RemoveControlGroup(const std::string& directory) {
  constexpr int kAttempts = 50;
  constexpr std::chrono::milliseconds kPause(10);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (rmdir(directory.c_str()) == 0 || errno != EBUSY) return;
    base::RealClock().SleepFor(kPause, {});
  }
}

}  // namespace seamount::cloud::local
