#include "server/collector.h"

#include <chrono>
#include <vector>

#include "base/log.h"

namespace seamount::server {
namespace {

constexpr size_t kAtOnce = 1000;
// What could not be deleted is tried again after so long: a content that is being read.
constexpr auto kAgain = std::chrono::seconds(2);

}  // namespace

Result<uint64_t> Collector::Collect() {
  std::lock_guard lock(collecting_);
  uint64_t files = 0;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const auto garbage, catalog_.ListGarbage(kAtOnce));
    std::vector<Catalog::Garbage> deleted;
    for (const Catalog::Garbage& item : garbage)
      if (item.is_upload ? blobs_.RemoveUpload(item.id) : blobs_.Remove(item.id)) deleted.push_back(item);
    files += deleted.size();
    if (!deleted.empty()) SEAMOUNT_TRY(catalog_.ForgetGarbage(deleted));
    // What is left of a full page cannot be deleted now; what lies behind it waits with it.
    if (garbage.size() < kAtOnce || deleted.empty()) return files;
  }
}

void Collector::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Loop(stop); });
}

void Collector::Nudge() {
  std::lock_guard lock(mutex_);
  garbage_ = true;
  nudged_.notify_one();
}

void Collector::Loop(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      nudged_.wait_for(lock, stop, kAgain, [&] { return garbage_; });
      garbage_ = false;
    }
    if (stop.stop_requested()) return;
    if (const auto collected = Collect(); !collected)
      base::Log(base::LogLevel::kWarning, "server: deleting contents: " + collected.error().ToString());
    reserve_.Restore();
  }
}

}  // namespace seamount::server
