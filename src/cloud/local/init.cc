// Starting a machine. Three processes take part:
//   the caller → the maker, which makes the network namespaces and forks → the init, process 1 of the machine.
// The maker ends when the machine is ready, so that init belongs to nobody. Either tells the caller an error through a
// pipe, whose end without a word means success.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <initializer_list>

#include "cloud/local/capabilities.h"
#include "cloud/local/machine.h"
#include "cloud/local/root.h"

namespace seamount::cloud::local {
namespace {

constexpr std::chrono::seconds kGrace(10);  // for processes to end on Stop: a mount flushes what was written

// Code and message in one record; PIPE_BUF keeps it whole.
void Tell(const Fd& pipe, const Error& error) {
  const std::string text = static_cast<char>('A' + static_cast<int>(error.code())) + error.message().substr(0, 2000);
  [[maybe_unused]] const ssize_t written = write(pipe.get(), text.data(), text.size());
}

Result<void> Hear(const Fd& pipe) {
  std::string text;
  char part[2048];
  ssize_t n = 0;
  while ((n = read(pipe.get(), part, sizeof(part))) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0) text.append(part, n);
  }
  if (text.empty()) return base::Internal("the machine's first process ended before it was ready");
  if (text == "ready") return {};
  return Error(static_cast<ErrorCode>(text[0] - 'A'), text.substr(1));
}

// SIGTERM is the only thing that init is told; everything else is children to be reaped.
[[noreturn]] void Reap() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGCHLD);
  while (sigwaitinfo(&signals, nullptr) != SIGTERM) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {}
  }
  const auto deadline = std::chrono::steady_clock::now() + kGrace;
  kill(-1, SIGTERM);
  while (kill(-1, 0) == 0 && std::chrono::steady_clock::now() < deadline) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {}
    const timespec pause = {.tv_sec = 0, .tv_nsec = 10'000'000};
    sigtimedwait(&signals, nullptr, &pause);
  }
  _exit(0);  // whoever is left is killed by the kernel, with the machine
}

// Keeps what must live as long as the machine; everything else that was inherited is closed.
void KeepOnly(std::initializer_list<int> kept) {
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd <= 2; ++fd) dup2(null.get(), fd);
  const int limit = static_cast<int>(sysconf(_SC_OPEN_MAX));
  constexpr int kMostDescriptors = 65536;  // what a command line could have inherited at all
  for (int fd = 3; fd < std::min(limit, kMostDescriptors); ++fd) {
    if (std::find(kept.begin(), kept.end(), fd) == kept.end()) close(fd);
  }
}

[[noreturn]] void Init(const MachineSpec& spec, const std::string& staging, const Fd& gate, const Fd& lock,
                       const Fd& pipe) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  prctl(PR_SET_NAME, "seamount-init");
  const auto ready = [&]() -> Result<void> {
    if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) != 0) return SystemError("making namespaces");
    if (sethostname(spec.name.c_str(), spec.name.size()) != 0) return SystemError("setting the host name");
    SEAMOUNT_TRY(EnterNewRoot(spec, staging));
    DropCapabilities();
    return {};
  }();
  if (!ready) {
    Tell(pipe, ready.error());
    _exit(1);
  }
  KeepOnly({gate.get(), lock.get(), pipe.get()});
  [[maybe_unused]] const ssize_t written = write(pipe.get(), "ready", 5);
  close(pipe.get());
  Reap();
}

[[noreturn]] void Make(const MachineSpec& spec, const Endpoint* server, const StateDirectory& state,
                       const std::string& staging, const Fd& lock, MachineRecord record, const Fd& pipe) {
  setsid();
  const auto made = [&]() -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(const MachineNetwork network, MakeNetwork(record.slot, server));
    if (unshare(CLONE_NEWPID) != 0) return SystemError("making a process namespace");
    const pid_t init = fork();
    if (init < 0) return SystemError("fork");
    if (init == 0) Init(spec, staging, network.gate, lock, pipe);
    record.init_pid = init;
    auto saved = state.Save(record);
    if (!saved) kill(init, SIGKILL);
    return saved;
  }();
  if (!made) Tell(pipe, made.error());
  _exit(made ? 0 : 1);
}

}  // namespace

Result<void> StartInit(const MachineSpec& spec, const Endpoint* server, const StateDirectory& state,
                       const std::string& staging, Fd lock, MachineRecord& record) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError("making a pipe");
  Fd hear(ends[0]), tell(ends[1]);
  const pid_t maker = fork();
  if (maker < 0) return SystemError("fork");
  if (maker == 0) Make(spec, server, state, staging, lock, record, tell);
  tell.Close();
  lock.Close();
  const auto ready = Hear(hear);
  while (waitpid(maker, nullptr, 0) < 0 && errno == EINTR) {}
  if (!ready) return ready.error().Wrap("starting machine '" + spec.name + "'");
  SEAMOUNT_TRY_ASSIGN(record, state.Find(spec.name));
  return {};
}

}  // namespace seamount::cloud::local
