#include "source/child/child.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "source/child/wire.h"

namespace seamount::source {
namespace {

// Before an answer there may be any number of needs: an offset and a size in the file, answered by 1 and so many bytes,
// or by 0. An error is its code and its message.
enum class ReplyKind : uint8_t { kError, kPayload, kNeed };

constexpr time_t kMaxCpuSeconds = 20;               // for one request: a million chunks take two
constexpr uint64_t kMaxMemory = uint64_t{4} << 30;  // beyond what this process has mapped when it forks
constexpr int kSocket = 3;                          // in the child
constexpr uint64_t kMaxMessage = uint64_t{1} << 30;

bool ReadAll(int socket, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got = ::recv(socket, into.data(), into.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into = into.subspan(static_cast<size_t>(got));
  }
  return true;
}

bool WriteAll(int socket, std::span<const std::byte> from) {
  while (!from.empty()) {
    const ssize_t put = ::send(socket, from.data(), from.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    from = from.subspan(static_cast<size_t>(put));
  }
  return true;
}

bool Send(int socket, std::span<const std::byte> message) {
  const uint64_t size = message.size();
  return WriteAll(socket, std::as_bytes(std::span(&size, 1))) && WriteAll(socket, message);
}

bool Receive(int socket, std::vector<std::byte>& message) {
  uint64_t size = 0;
  if (!ReadAll(socket, std::as_writable_bytes(std::span(&size, 1))) || size > kMaxMessage) return false;
  message.resize(size);
  return ReadAll(socket, message);
}

// What follows up to RunChild runs in the child alone.

void LimitMemory() {
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t most = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) + kMaxMemory;
  const rlimit memory{most, most};
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_AS, &memory);
  ::setrlimit(RLIMIT_CORE, &no_core);
}

// SIGPROF, when it comes, ends the child.
void LimitCpu(time_t seconds) {
  const itimerval limit{{0, 0}, {seconds, 0}};
  ::setitimer(ITIMER_PROF, &limit, nullptr);
}

// Asks for bytes of the file that is being read.
bool AskParent(uint64_t offset, std::span<std::byte> into) {
  WireWriter need;
  need.Put(static_cast<uint8_t>(ReplyKind::kNeed));
  need.Put(offset);
  need.Put<uint64_t>(into.size());
  std::byte given{};
  return Send(kSocket, need.Take()) && ReadAll(kSocket, {&given, 1}) && given == std::byte{1} && ReadAll(kSocket, into);
}

const Fetch kAskParent = AskParent;

std::vector<std::byte> Reply(const Result<std::vector<std::byte>>& payload) {
  WireWriter out;
  out.Put(static_cast<uint8_t>(payload ? ReplyKind::kPayload : ReplyKind::kError));
  if (payload) {
    out.Bytes(*payload);
  } else {
    out.Put(static_cast<uint8_t>(payload.error().code()));
    out.Text(payload.error().message());
  }
  return out.Take();
}

[[noreturn]] void RunChild(int socket, Answerer answer) {
  // Ends by the signal itself, whatever this process does with it; the terminal's Ctrl-C is for the parent.
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGPROF, SIGTERM}) ::signal(number, SIG_DFL);
  ::signal(SIGINT, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  if (const int nowhere = ::open("/dev/null", O_WRONLY); nowhere >= 0) ::dup2(nowhere, STDERR_FILENO);
  ::dup2(socket, kSocket);
  ::close_range(kSocket + 1, ~0U, 0);
  LimitMemory();
  std::vector<std::byte> request;
  while (Receive(kSocket, request)) {
    LimitCpu(kMaxCpuSeconds);
    const std::vector<std::byte> reply = Reply(answer(request, kAskParent));
    LimitCpu(0);
    if (!Send(kSocket, reply)) break;
  }
  ::_exit(0);
}

// Gives the child what it needs of the file; false when it is gone. What keeps the file from being read is an error for
// the caller, as the library does not tell it.
bool GiveBytes(int socket, WireReader& need, const File& file, Result<void>& outcome) {
  const auto offset = need.Get<uint64_t>();
  const auto size = need.Get<uint64_t>();
  std::vector<std::byte> bytes(1);
  if (need.whole() && size <= std::min(file.size(), kMaxMessage) && offset <= file.size() - size) {
    bytes.resize(1 + size);
    auto read = file.ReadAt(offset, std::span(bytes).subspan(1));
    bytes.front() = std::byte{1};
    if (!read) {
      outcome = std::move(read);
      bytes.assign(1, std::byte{0});
    }
  }
  return WriteAll(socket, bytes);
}

}  // namespace

Child::~Child() { Bury(); }

std::string Child::Bury() {
  if (child_ < 0) return {};
  ::close(std::exchange(socket_, -1));
  int status = 0;
  while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) continue;
  child_ = -1;
  if (!WIFSIGNALED(status)) return library_ + " ended";
  if (WTERMSIG(status) == SIGPROF) return library_ + " found no end within " + std::to_string(kMaxCpuSeconds) + " s";
  return library_ + " crashed (" + ::strsignal(WTERMSIG(status)) + ")";
}

Result<void> Child::Start() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return base::ResourceExhausted("starting the process that has " + library_ + ": " + std::strerror(errno));
  }
  const pid_t child = ::fork();
  if (child == 0) RunChild(ends[1], answer_);
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return base::ResourceExhausted("starting the process that has " + library_ + ": " + std::strerror(errno));
  }
  socket_ = ends[0];
  child_ = child;
  return {};
}

Result<std::vector<std::byte>> Child::Call(std::span<const std::byte> request, const File& file) {
  const std::scoped_lock lock(mutex_);
  if (child_ < 0) SEAMOUNT_TRY(Start());
  Result<void> given;
  std::vector<std::byte> reply;
  bool alive = Send(socket_, request);
  while (alive && (alive = Receive(socket_, reply))) {
    WireReader in(reply);
    switch (in.GetEnum(ReplyKind::kNeed)) {
      case ReplyKind::kNeed: alive = GiveBytes(socket_, in, file, given); break;
      case ReplyKind::kError: {
        const auto code = in.GetEnum(ErrorCode::kInternal);
        if (!given) return given.error();
        return Error(code, in.Text());
      }
      case ReplyKind::kPayload: {
        const auto payload = in.Bytes();
        if (!in.whole()) return base::Internal("the process that has " + library_ + " answered nonsense");
        if (!given) return given.error();
        return std::vector<std::byte>(payload.begin(), payload.end());
      }
    }
  }
  return base::DataLoss(Bury() + " on it: the file is damaged; restore it from where it came");
}

}  // namespace seamount::source
