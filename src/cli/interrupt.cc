// Signals become a stop_source: the handler writes one byte to a pipe, a thread reads it and requests the stop, since
// request_stop runs callbacks and may lock, which a handler must not.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <mutex>
#include <stop_token>
#include <thread>

#include "cli/command.h"

namespace seamount::cli {
namespace {

int g_pipe[2] = {-1, -1};
volatile sig_atomic_t g_signals = 0;

void OnSignal(int signal) {
  const int saved_errno = errno;
  g_signals = g_signals + 1;
  if (g_signals > 1) _exit(128 + signal);
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(g_pipe[1], &byte, 1);
  errno = saved_errno;
}

std::stop_source Listen() {
  std::stop_source source;
  if (pipe2(g_pipe, O_CLOEXEC) != 0) return source;  // out of descriptors: the signals keep their default action
  std::thread([source]() mutable {
    char byte = 0;
    while (read(g_pipe[0], &byte, 1) < 0 && errno == EINTR) {}
    source.request_stop();
  }).detach();
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return source;
}

}  // namespace

CallContext Interruptible() {
  static const std::stop_source source = Listen();
  return {.stop = source.get_token()};
}

}  // namespace seamount::cli
