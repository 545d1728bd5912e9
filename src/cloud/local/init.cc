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
#include <cstring>
#include <initializer_list>

#include "base/os_error.h"
#include "cloud/local/capabilities.h"
#include "cloud/local/control_group.h"
#include "cloud/local/machine.h"
#include "cloud/local/root.h"

namespace seamount::cloud::local {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kGrace(10);  // for processes to end on Stop: a mount flushes what was written

struct Pipe {
  base::Fd read, write;
};

Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::OsError(errno, "making a pipe");
  return Pipe{base::Fd(ends[0]), base::Fd(ends[1])};
}

// Code and message in one record; PIPE_BUF keeps it whole.
void Tell(const base::Fd& pipe, const Error& error) {
  const std::string text = static_cast<char>('A' + static_cast<int>(error.code())) + error.message().substr(0, 2000);
  [[maybe_unused]] const ssize_t written = write(pipe.get(), text.data(), text.size());
}

Result<void> Hear(const base::Fd& pipe) {
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

// The next of `signals`; 0 when none came until `deadline`.
int NextSignal(const sigset_t& signals, Clock::time_point deadline) {
  const auto left = deadline - Clock::now();
  if (left <= left.zero()) return 0;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec wait = {.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(left - seconds).count()};
  const int signal = sigtimedwait(&signals, nullptr, &wait);
  return signal > 0 ? signal : NextSignal(signals, deadline);
}

// SIGTERM is the only thing that init is told; everything else is children to be reaped. It ends at `end_of_life` even
// when told nothing.
[[noreturn]] void Reap(Clock::time_point end_of_life) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGCHLD);
  while (NextSignal(signals, end_of_life) == SIGCHLD) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {}
  }
  const auto deadline = Clock::now() + kGrace;
  kill(-1, SIGTERM);
  while (kill(-1, 0) == 0 && Clock::now() < deadline) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {}
    const timespec pause = {.tv_sec = 0, .tv_nsec = 10'000'000};
    sigtimedwait(&signals, nullptr, &pause);
  }
  _exit(0);  // whoever is left is killed by the kernel, with the machine
}

// Root in the machine can read its first process's environment, which began as that of whoever typed `vm up`: tokens
// and passwords among it.
void ForgetEnvironment() {
  for (char** variable = environ; *variable; ++variable) explicit_bzero(*variable, std::strlen(*variable));
  clearenv();
}

// Keeps what must live as long as the machine; everything else that was inherited is closed.
void KeepOnly(std::initializer_list<int> kept) {
  const base::Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd <= 2; ++fd) dup2(null.get(), fd);
  const int limit = static_cast<int>(sysconf(_SC_OPEN_MAX));
  constexpr int kMostDescriptors = 65536;  // what a command line could have inherited at all
  for (int fd = 3; fd < std::min(limit, kMostDescriptors); ++fd) {
    if (std::find(kept.begin(), kept.end(), fd) == kept.end()) close(fd);
  }
}

[[noreturn]] void Init(const MachineSpec& spec, const MachineRecord& record, const std::string& staging,
                       const base::Fd& gate, const base::Fd& lock, const base::Fd& recorded, const base::Fd& pipe) {
  const auto end_of_life = Clock::now() + spec.lifetime;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  prctl(PR_SET_NAME, "seamount-init");
  ForgetEnvironment();
  // A machine whose record was never written would be one that nobody can end.
  char word = 0;
  if (read(recorded.get(), &word, 1) != 1) _exit(1);
  const auto ready = [&]() -> Result<void> {
    if (!record.control_group.empty()) SEAMOUNT_TRY(JoinControlGroup(record.control_group));
    if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) != 0) return base::OsError(errno, "making namespaces");
    if (sethostname(spec.name.c_str(), spec.name.size()) != 0) return base::OsError(errno, "setting the host name");
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
  Reap(end_of_life);
}

[[noreturn]] void Make(const MachineSpec& spec, const Endpoint* server, const StateDirectory& state,
                       const std::string& staging, const base::Fd& lock, MachineRecord record, const base::Fd& pipe) {
  setsid();
  const auto made = [&]() -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(const MachineNetwork network, MakeNetwork(record.slot, server));
    if (unshare(CLONE_NEWPID) != 0) return base::OsError(errno, "making a process namespace");
    SEAMOUNT_TRY_ASSIGN(auto recorded, MakePipe());
    const pid_t init = fork();
    if (init < 0) return base::OsError(errno, "fork");
    if (init == 0) {
      recorded.write.Close();
      Init(spec, record, staging, network.gate, lock, recorded.read, pipe);
    }
    record.init_pid = init;
    SEAMOUNT_TRY(state.Save(record));
    if (write(recorded.write.get(), "r", 1) != 1) return base::OsError(errno, "telling the machine's first process");
    return {};
  }();
  if (!made) Tell(pipe, made.error());
  _exit(made ? 0 : 1);
}

}  // namespace

Result<void> StartInit(const MachineSpec& spec, const Endpoint* server, const StateDirectory& state,
                       const std::string& staging, base::Fd lock, MachineRecord& record) {
  SEAMOUNT_TRY_ASSIGN(Pipe pipe, MakePipe());
  const pid_t maker = fork();
  if (maker < 0) return base::OsError(errno, "fork");
  if (maker == 0) Make(spec, server, state, staging, lock, record, pipe.write);
  pipe.write.Close();
  lock.Close();
  const auto ready = Hear(pipe.read);
  while (waitpid(maker, nullptr, 0) < 0 && errno == EINTR) {}
  if (!ready) return ready.error().Wrap("starting machine '" + spec.name + "'");
  SEAMOUNT_TRY_ASSIGN(record, state.Find(spec.name));
  return {};
}

}  // namespace seamount::cloud::local
