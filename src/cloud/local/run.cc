// Commands that enter a machine. The caller joins the machine's process namespace for its children alone, forks, and
// the child joins the others and executes. The caller then waits for the child, a signal, or a stop, whichever comes.
// The machine is known by a descriptor of its first process: a number could be another process's by now.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstring>
#include <stop_token>

#include "base/os_error.h"
#include "cloud/local/capabilities.h"
#include "cloud/local/control_group.h"
#include "cloud/local/machine.h"

namespace seamount::cloud::local {
namespace {

constexpr int kPassedOn[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr int kCannotEnter = 125;  // as `docker run` has it
constexpr int kCannotExecute = 126;
constexpr int kNoSuchCommand = 127;

std::vector<std::string> Environment(const RunOptions& options) {
  std::map<std::string, std::string> all = {
      {"PATH", "/opt/seamount/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", "/root"},
      {"USER", "root"},
      {"LANG", "C.UTF-8"}};
  if (const char* terminal = getenv("TERM")) all["TERM"] = terminal;
  for (const auto& [name, value] : options.environment) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

[[noreturn]] void Execute(const base::Fd& init, const std::string& control_group, const std::vector<std::string>& argv,
                          const std::vector<std::string>& environment) {
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
    all.push_back(nullptr);
    return all;
  };
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!control_group.empty() && !JoinControlGroup(control_group)) _exit(kCannotEnter);
  if (setns(init.get(), CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS) != 0) _exit(kCannotEnter);
  if (chdir("/root") != 0) _exit(kCannotEnter);
  DropCapabilities();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : kPassedOn) ::signal(signal, SIG_DFL);
  ::signal(SIGPIPE, SIG_DFL);
  const std::vector<char*> arguments = pointers(argv), variables = pointers(environment);
  environ = const_cast<char**>(variables.data());
  execvp(arguments[0], arguments.data());
  const int code = errno == ENOENT ? kNoSuchCommand : kCannotExecute;
  dprintf(STDERR_FILENO, "seamount vm run: '%s': %s\n", argv[0].c_str(), strerror(errno));
  _exit(code);
}

// Our own signals, read from a descriptor for as long as this lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigemptyset(&signals_);
    for (const int signal : kPassedOn) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    fd_ = base::Fd(signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  int fd() const { return fd_.get(); }

 private:
  sigset_t signals_, before_;
  base::Fd fd_;
};

void PassOn(int signal_fd, pid_t child) {
  signalfd_siginfo info;
  while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
    // The terminal sends its signals to the whole foreground group, of which the child is one.
    if (info.ssi_code != SI_KERNEL) kill(child, static_cast<int>(info.ssi_signo));
  }
}

Result<int> Wait(pid_t child, const SignalsBlocked& signals, const CallContext& context) {
  const base::Fd ended(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const base::Fd stopped(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ended || !stopped) return base::OsError(errno, "watching the command");
  const std::stop_callback on_stop(context.stop, [&stopped] { eventfd_write(stopped.get(), 1); });
  pollfd polled[] = {{ended.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}, {stopped.get(), POLLIN, 0}};
  while ((polled[0].revents & POLLIN) == 0) {
    if (poll(polled, 3, -1) < 0 && errno != EINTR) return base::OsError(errno, "waiting for the command");
    if (polled[1].revents & POLLIN) PassOn(signals.fd(), child);
    if (polled[2].revents & POLLIN) {
      kill(child, SIGTERM);
      polled[2].fd = -1;
    }
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return base::OsError(errno, "waiting for the command");
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<int> RunInside(const MachineRecord& record, const base::Fd& init, const RunOptions& options,
                      const CallContext& context) {
  const base::Fd own(open("/proc/self/ns/pid_for_children", O_RDONLY | O_CLOEXEC));
  if (!own) return base::OsError(errno, "opening /proc/self/ns/pid_for_children");
  const std::vector<std::string> environment = Environment(options);
  const SignalsBlocked signals;
  if (setns(init.get(), CLONE_NEWPID) != 0) return base::OsError(errno, "entering machine '" + record.info.name + "'");
  const pid_t child = fork();
  const int fork_error = errno;
  if (child == 0) Execute(init, record.control_group, options.argv, environment);
  if (setns(own.get(), CLONE_NEWPID) != 0) return base::OsError(errno, "leaving machine '" + record.info.name + "'");
  if (child < 0) return base::OsError(fork_error, "starting a process in machine '" + record.info.name + "'");
  return Wait(child, signals, context);
}

}  // namespace seamount::cloud::local
