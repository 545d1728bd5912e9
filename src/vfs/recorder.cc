#include "vfs/recorder.h"

#include <iterator>
#include <utility>

#include "base/log.h"

namespace seamount::vfs {
namespace {

constexpr uint64_t kWorthRecording = 1 << 20;

constexpr const char* kReason = "the mount ended, or was killed, before this was uploaded";

bool IsRecorded(const StagedFile& staged) { return staged.entry() != nullptr && staged.entry()->waits(); }

}  // namespace

Recorder::Recorder(Namespace& names, Journal& journal, base::Duration look_every)
    : names_(names),
      journal_(journal),
      look_every_(look_every),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Recorder::~Recorder() = default;

void Recorder::Watch(const InodePtr& inode) {
  std::scoped_lock lock(mutex_);
  if (watched_.empty()) wake_.notify_one();
  watched_.push_back({.inode = inode});
}

void Recorder::Wrote(const InodePtr& inode, StagedFile& staged) {
  // A journal that did not work is not tried again at every write.
  if (staged.UnsavedBytes() >= kWorthRecording && !told_) Record(inode, staged);
}

void Recorder::Record(const InodePtr& inode, StagedFile& staged) {
  if (IsRecorded(staged) || staged.failed()) return;  // what is incomplete is nobody's
  StagedRecord record{.source = names_.options().source, .whole = staged.Whole(), .reason = kReason};
  {
    std::scoped_lock lock(names_.mutex());
    if (inode->unlinked || inode->saved) return;
    record.key = inode->gone ? inode->info.key : InodeTree::KeyOf(*inode);
    record.base_generation = inode->info.generation.text();
  }
  auto recorded = [&]() -> Outcome<void> {
    if (staged.entry() != nullptr) return staged.entry()->Renew(record);
    SEAMOUNT_TRY_ASSIGN(auto entry, journal_.Record(staged.file(), record));
    staged.SetEntry(std::move(entry));
    return {};
  }();
  if (recorded || told_.exchange(true)) return;
  base::Log(base::LogLevel::kWarning, "what is being written cannot be recorded (" + recorded.error().message +
                                          "): if this mount is killed, what was not synced or closed is lost");
}

void Recorder::Forget(const InodePtr& inode) {
  std::shared_ptr<StagedFile> staged;
  {
    std::scoped_lock lock(names_.mutex());
    staged = inode->staged;
  }
  if (staged != nullptr) staged->SetEntry(nullptr);
}

void Recorder::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [&] { return !watched_.empty(); })) {
    wake_.wait_for(lock, stop, look_every_, [] { return false; });
    if (stop.stop_requested()) return;
    std::vector<Watched> now = std::exchange(watched_, {});
    lock.unlock();
    std::erase_if(now, [&](Watched& each) { return !Look(each); });
    lock.lock();
    std::move(now.begin(), now.end(), std::back_inserter(watched_));
  }
}

// False: there is nothing to look at any more.
bool Recorder::Look(Watched& watched) {
  const InodePtr inode = watched.inode.lock();
  if (inode == nullptr) return false;
  const std::unique_lock commit(inode->commit, std::try_to_lock);
  if (!commit) return true;  // it is being written to or uploaded at this moment
  std::shared_ptr<StagedFile> staged;
  {
    std::scoped_lock lock(names_.mutex());
    staged = inode->staged;
  }
  if (staged == nullptr) return false;
  const bool waits = staged->dirty() && !IsRecorded(*staged);
  if (waits && watched.waited) Record(inode, *staged);
  watched.waited = waits;
  return true;
}

}  // namespace seamount::vfs
