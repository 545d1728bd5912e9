#include "fuse/forgetter.h"

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

namespace seamount::fuse {
namespace {

constexpr size_t kAtOnce = 512;
// Names that the kernel holds on to (a program stands in the folder, a mount lies on them) are not asked for all the
// time.
constexpr auto kBetweenRounds = std::chrono::milliseconds(20);

}  // namespace

Forgetter::Forgetter(vfs::FileSystem& file_system, fuse_session* session)
    : file_system_(file_system), session_(session), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Forgetter::~Forgetter() { Stop(); }

void Forgetter::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Forgetter::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [this] { return file_system_.HasSurplusNames(); })) return;
    }
    for (const auto& [folder, name] : file_system_.SurplusNames(kAtOnce)) {
      if (stop.stop_requested()) return;
      fuse_lowlevel_notify_inval_entry(session_, folder, name.c_str(), name.size());
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kBetweenRounds, [] { return false; });
  }
}

}  // namespace seamount::fuse
