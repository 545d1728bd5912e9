#include "cloud/local/program.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/os_error.h"
#include "base/text.h"

namespace seamount::cloud::local {
namespace {

constexpr int kCannotExec = 127;  // as a shell has it

// Input and outputs are files in memory, so that no pipe can fill up.
Result<base::Fd> MemoryFile(const std::string& content) {
  base::Fd file(memfd_create("seamount", MFD_CLOEXEC));
  if (!file) return base::OsError(errno, "memfd_create");
  if (pwrite(file.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
    return base::OsError(errno, "writing a file in memory");
  }
  return file;
}

std::string Content(const base::Fd& file) {
  std::string all;
  char part[4096];
  ssize_t n = 0;
  while ((n = pread(file.get(), part, sizeof(part), static_cast<off_t>(all.size()))) > 0) all.append(part, n);
  return all;
}

}  // namespace

Result<std::string> RunProgram(const std::vector<std::string>& argv, const std::string& input, int netns_fd) {
  SEAMOUNT_TRY_ASSIGN(const base::Fd in, MemoryFile(input));
  SEAMOUNT_TRY_ASSIGN(const base::Fd out, MemoryFile(""));
  SEAMOUNT_TRY_ASSIGN(const base::Fd errors, MemoryFile(""));
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const pid_t child = fork();
  if (child < 0) return base::OsError(errno, "fork");
  if (child == 0) {
    if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) != 0) _exit(kCannotExec - 1);
    dup2(in.get(), STDIN_FILENO);
    dup2(out.get(), STDOUT_FILENO);
    dup2(errors.get(), STDERR_FILENO);
    execvp(arguments[0], arguments.data());
    _exit(kCannotExec);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return base::OsError(errno, "waiting for " + argv[0]);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Content(out);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotExec) {
    return base::NotFound("program '" + argv[0] + "' is not installed");
  }
  return base::Internal(base::Join(argv, " ") + " failed: " + Content(errors));
}

}  // namespace seamount::cloud::local
