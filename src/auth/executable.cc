#include "auth/executable.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/os_error.h"

extern char** environ;

namespace seamount::auth {
namespace {

constexpr size_t kMaxOutputBytes = 64 << 10;
constexpr int kLookForStopMs = 100;

std::vector<std::string> EnvironmentWith(const std::map<std::string, std::string>& more) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!more.contains(text.substr(0, text.find('=')))) all.push_back(text);
  }
  for (const auto& [name, value] : more) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The program with its output in a pipe. Ends it when it goes away.
class Child {
 public:
  static Result<Child> Start(std::vector<std::string> argv, const std::map<std::string, std::string>& more) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return base::OsError(errno, "running " + argv[0]);
    base::Fd read_end(ends[0]);
    const base::Fd write_end(ends[1]);
    std::vector<std::string> environment = EnvironmentWith(more);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    pid_t pid = -1;
    const int error =
        posix_spawnp(&pid, argv[0].c_str(), &actions, nullptr, Pointers(argv).data(), Pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return base::OsError(error, "running " + argv[0]);
    return Child(pid, std::move(read_end));
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
  }
  int output() const { return output_.get(); }

 private:
  Child(pid_t pid, base::Fd output) : pid_(pid), output_(std::move(output)) {}
  pid_t pid_;
  base::Fd output_;
};

}  // namespace

Result<Secret> OutputOf(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
                        std::chrono::milliseconds limit, const CallContext& context) {
  if (argv.empty()) return base::InvalidArgument("there is no program to run");
  SEAMOUNT_TRY_ASSIGN(const Child child, Child::Start(argv, environment));
  const auto end = std::min(std::chrono::steady_clock::now() + limit, context.deadline);
  std::string text;
  for (;;) {
    if (context.stop.stop_requested()) return base::Cancelled("running " + argv[0] + ": stop was requested");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return base::Unavailable("running " + argv[0] + ": it does not end in time");
    pollfd ready = {child.output(), POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(std::min<int64_t>(left.count(), kLookForStopMs))) <= 0) continue;
    std::array<char, 4096> part;
    const ssize_t size = read(child.output(), part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return base::OsError(errno, "reading what " + argv[0] + " prints");
    if (size == 0) return Secret(std::move(text));
    if (text.size() + static_cast<size_t>(size) > kMaxOutputBytes) {
      return base::InvalidArgument(argv[0] + " prints more than 64 KiB (expected a token)");
    }
    text.append(part.data(), static_cast<size_t>(size));
  }
}

}  // namespace seamount::auth
