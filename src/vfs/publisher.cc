// Attributes, commits and the end of files; what all changes share.
#include "vfs/publisher.h"

#include <cerrno>

#include "vfs/names.h"

namespace seamount::vfs {
namespace {

// What the mount left behind under the reserved prefix is removed when it is this old; younger things may be in use.
constexpr auto kSweepAfter = std::chrono::hours(24);

constexpr int kFolderThreads = 16;
// As many connections as a line of 50 MB/s each needs to be full.
constexpr int kUploadThreads = 24;

}  // namespace

Publisher::Publisher(Namespace& names, Content& content, Fetcher& fetcher, StagingFolder& staging, Recorder& recorder,
                     base::Clock& clock, Stats& stats)
    : names_(names),
      content_(content),
      fetcher_(fetcher),
      store_(fetcher.store()),
      staging_(staging),
      recorder_(recorder),
      clock_(clock),
      stats_(stats),
      pool_(kFolderThreads),
      uploads_(kUploadThreads) {}

Outcome<void> Publisher::CheckWritable() const {
  if (names_.options().read_only) return Fault{EROFS, "mounted read-only"};
  return {};
}

Outcome<PathLocks::Lock> Publisher::Hold(const std::vector<Place>& places, const CallContext& context, bool alone) {
  const auto keys = [&]() -> Outcome<std::vector<std::string>> {
    std::vector<std::string> all;
    std::scoped_lock lock(names_.mutex());
    for (const Place& place : places) {
      if (place.folder->gone) return Fault{ENOENT, "the folder of '" + place.name + "' was removed"};
      all.push_back(InodeTree::KeyOf(*place.folder) + place.name);
    }
    return all;
  };
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(auto wanted, keys());
    SEAMOUNT_TRY_ASSIGN(auto lock, alone ? locks_.Alone(wanted, context) : locks_.Share(wanted, context));
    SEAMOUNT_TRY_ASSIGN(const auto now, keys());
    if (now == wanted) return lock;  // else a folder was renamed before it was held
  }
}

Outcome<PathLocks::Lock> Publisher::Hold(const InodePtr& inode, const CallContext& context) {
  const auto key = [&]() -> std::string {
    std::scoped_lock lock(names_.mutex());
    return inode->gone ? std::string() : InodeTree::KeyOf(*inode);
  };
  for (;;) {
    const std::string wanted = key();
    if (wanted.empty()) return PathLocks::Lock();
    SEAMOUNT_TRY_ASSIGN(auto lock, locks_.Share({wanted}, context));
    if (key() == wanted) return lock;
  }
}

// Puts a change into what is kept. Under the namespace's mutex.
void Publisher::Apply(Inode& inode, const AttributeChange& change) {
  const KeptAttributes before = inode.kept;
  const Attributes shown = names_.AttributesOf(inode);
  names_.MarkChanged(inode);
  // A new generation has a new time of its own; what was shown stays unless it is changed.
  inode.kept.mtime = change.mtime ? *change.mtime : change.size_bytes ? inode.changed : shown.mtime;
  if (change.mtime) inode.filled = base::SystemTime::min();
  if (change.atime) inode.kept.atime = change.atime;
  if (change.permissions) inode.kept.permissions = *change.permissions & 07777;
  if (change.uid) inode.kept.uid = change.uid;
  if (change.gid) inode.kept.gid = change.gid;
  const Attributes wanted = names_.AttributesOf(inode);
  if (wanted.mtime == shown.mtime && wanted.atime == shown.atime && wanted.permissions == shown.permissions &&
      wanted.uid == shown.uid && wanted.gid == shown.gid) {
    inode.kept = before;
  } else {
    inode.kept_dirty = true;
  }
}

// Brings a change to the bucket, or takes it back. Under the inode's commit lock.
Outcome<void> Publisher::CommitChange(const InodePtr& inode, const CallContext& context) {
  auto committed = CommitInode(inode, context);
  std::scoped_lock lock(names_.mutex());
  if (inode->handles == 0) {
    inode->staged = nullptr;
    inode->reader = nullptr;
  }
  if (committed) return {};
  inode->kept = ParseMetadata(inode->info.metadata);
  inode->kept_dirty = false;
  if (inode->handles > 0 || !inode->upload_fault || inode->upload_fault->error != ESTALE) return committed;
  if (!inode->gone) names_.tree().Detach(inode);
  return *inode->upload_fault;  // the kernel looks the name up again, and asks again
}

Outcome<Attributes> Publisher::Change(uint64_t number, const AttributeChange& change, const OpenFile* handle,
                                      const CallContext& context) {
  SEAMOUNT_TRY(CheckWritable());
  InodePtr inode;
  {
    std::scoped_lock lock(names_.mutex());
    SEAMOUNT_TRY_ASSIGN(inode, names_.Existing(number));
    if (number == kRootInode) {  // has no object to keep them
      Apply(*inode, change);
      inode->kept_dirty = false;
      return names_.AttributesOf(*inode);
    }
    if (change.size_bytes && inode->kind != Kind::kFile) return Fault{EINVAL, "'" + inode->name + "' has no size"};
  }
  SEAMOUNT_TRY_ASSIGN(const auto held, Hold(inode, context));
  SEAMOUNT_TRY_ASSIGN(const auto commit, LockCommit(*inode, context));
  if (change.size_bytes) SEAMOUNT_TRY(content_.Resize(inode, *change.size_bytes));
  bool later = false;
  {
    std::scoped_lock lock(names_.mutex());
    Apply(*inode, change);
    const bool writing = inode->handles > 0 && inode->staged != nullptr && inode->staged->dirty();
    later = writing && (handle != nullptr || !change.size_bytes);
  }
  if (!later) SEAMOUNT_TRY(CommitChange(inode, context));
  std::scoped_lock lock(names_.mutex());
  return names_.AttributesOf(*inode);
}

Outcome<void> Publisher::Commit(const OpenFile& file, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto held, Hold(file.inode, context));
  SEAMOUNT_TRY_ASSIGN(const auto commit, LockCommit(*file.inode, context));
  return CommitInode(file.inode, context);
}

void Publisher::Release(std::unique_ptr<OpenFile> file) {
  const InodePtr inode = file->inode;
  // Nobody waits for this, so nobody interrupts it: no stop, and so no fault.
  const auto held = Hold(inode, {});
  const auto commit = LockCommit(*inode, {});
  bool last = false;
  bool commit_due = false;
  {
    std::scoped_lock lock(names_.mutex());
    last = inode->handles == 1;
    commit_due = last && !inode->upload_fault && inode->dirty();
  }
  // close has uploaded already; what is still to be done comes from a memory map written to after the close, or from a
  // close that was interrupted.
  if (commit_due) {
    if (auto committed = CommitInode(inode, {}); !committed) GiveUp(inode, committed.error());
  }
  std::shared_ptr<ObjectReader> reader;
  std::string parked;
  std::optional<Fault> lost;
  {
    std::scoped_lock lock(names_.mutex());
    --inode->handles;
    if (inode->handles > 0) return;
    if (inode->dirty() && !inode->unlinked) lost = inode->upload_fault.value_or(Fault{EIO, "unmounting"});
    reader = std::move(inode->reader);
    inode->reader = nullptr;
    parked = std::exchange(inode->parked_key, {});
  }
  if (lost) GiveUp(inode, *lost);
  std::shared_ptr<StagedFile> staged;  // may wait for parts under way: not under the mutex
  {
    std::scoped_lock lock(names_.mutex());
    staged = std::exchange(inode->staged, nullptr);
    inode->kept_dirty = false;
    if (lost && !inode->gone) {
      names_.tree().Detach(inode);
    } else {
      names_.tree().ReleaseIfUnused(inode);
    }
  }
  if (reader != nullptr) reader->Close();
  // Left behind if this fails; a later mount's sweep takes it.
  if (!parked.empty()) (void)store_.Delete(parked, {}, {});
}

Outcome<void> Publisher::CommitAll() {
  std::vector<InodePtr> all;
  {
    std::scoped_lock lock(names_.mutex());
    all = names_.tree().All();
  }
  Outcome<void> first;
  for (const InodePtr& inode : all) {
    const auto held = Hold(inode, {});
    const auto commit = LockCommit(*inode, {});
    auto committed = CommitInode(inode, {});
    if (committed) continue;
    GiveUp(inode, committed.error());
    if (first) first = std::move(committed);
  }
  return first;
}

void Publisher::SweepReserved() {
  pool_.Run([this] {
    const auto page = store_.List({.prefix = std::string(kReservedPrefix)}, {});
    if (!page) return;  // housekeeping: the next mount tries again
    for (const store::ObjectInfo& info : page->objects) {
      if (clock_.WallNow() - info.updated < kSweepAfter) continue;
      (void)store_.Delete(info.key, {.if_generation = info.generation}, {});
    }
  });
}

}  // namespace seamount::vfs
