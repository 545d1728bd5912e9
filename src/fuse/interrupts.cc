#include "fuse/interrupts.h"

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <signal.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace seamount::fuse {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(20);

constexpr uint64_t Bit(int signal) { return uint64_t{1} << (signal - 1); }

}  // namespace

bool WantsToEnd(int thread) {
  std::ifstream status("/proc/" + std::to_string(thread) + "/status");
  if (!status) return true;
  uint64_t pending = 0, blocked = 0, ignored = 0;
  for (std::string line; std::getline(status, line);) {
    const auto mask = [&](const char* name, uint64_t& into) {
      if (line.starts_with(name)) into |= std::strtoull(line.c_str() + std::string_view(name).size(), nullptr, 16);
    };
    mask("SigPnd:", pending);
    mask("ShdPnd:", pending);
    mask("SigBlk:", blocked);
    mask("SigIgn:", ignored);
  }
  if ((pending & Bit(SIGKILL)) != 0) return true;
  constexpr uint64_t kEnds = Bit(SIGHUP) | Bit(SIGINT) | Bit(SIGQUIT) | Bit(SIGTERM);
  return (pending & ~blocked & ~ignored & kEnds) != 0;
}

Interrupts::Interrupts() : thread_([this](const std::stop_token& stop) { Watch(stop); }) {}

Interrupts::~Interrupts() = default;

void Interrupts::OnInterrupt(fuse_req*, void* data) {
  auto* waiting = static_cast<Waiting*>(data);
  std::scoped_lock lock(waiting->interrupts->mutex_);
  waiting->interrupts->waiting_.emplace(waiting, waiting->thread);
  waiting->interrupts->told_.notify_all();
}

void Interrupts::Begin(fuse_req* request, Waiting& waiting) {
  waiting.thread = fuse_req_ctx(request)->pid;
  if (waiting.thread == 0) return;  // the kernel's own: nobody to interrupt it
  fuse_req_interrupt_func(request, OnInterrupt, &waiting);
}

void Interrupts::End(fuse_req* request, Waiting& waiting) {
  if (waiting.thread == 0) return;
  fuse_req_interrupt_func(request, nullptr, nullptr);  // waits for one that is being called
  std::scoped_lock lock(mutex_);
  waiting_.erase(&waiting);
}

void Interrupts::Watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (told_.wait(lock, stop, [&] { return !waiting_.empty(); })) {
    for (const auto& [waiting, thread] : waiting_) {
      if (!waiting->stop.stop_requested() && WantsToEnd(thread)) waiting->stop.request_stop();
    }
    told_.wait_for(lock, stop, kLookAgain, [] { return false; });
  }
}

}  // namespace seamount::fuse
