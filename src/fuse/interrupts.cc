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

void Interrupts::Call::OnInterrupt(fuse_req*, void* data) {
  auto* call = static_cast<Call*>(data);
  std::scoped_lock lock(call->interrupts_.mutex_);
  call->interrupts_.interrupted_.insert(call);
  call->interrupts_.told_.notify_all();
}

Interrupts::Call::Call(Interrupts& interrupts, fuse_req* request)
    : interrupts_(interrupts), request_(request), thread_(fuse_req_ctx(request)->pid) {
  if (thread_ != 0) fuse_req_interrupt_func(request_, OnInterrupt, this);
}

Interrupts::Call::~Call() {
  if (thread_ == 0) return;
  fuse_req_interrupt_func(request_, nullptr, nullptr);  // waits for one that is being called
  std::scoped_lock lock(interrupts_.mutex_);
  interrupts_.interrupted_.erase(this);
}

void Interrupts::Watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (told_.wait(lock, stop, [&] { return !interrupted_.empty(); })) {
    for (Call* call : interrupted_) {
      if (!call->stop_.stop_requested() && WantsToEnd(call->thread_)) call->stop_.request_stop();
    }
    told_.wait_for(lock, stop, kLookAgain, [] { return false; });
  }
}

}  // namespace seamount::fuse
