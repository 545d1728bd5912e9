// Making and removing names: files, folders, links.
#include <cerrno>

#include "base/log.h"
#include "base/utf8.h"
#include "store/byte_source.h"
#include "vfs/file_system.h"
#include "vfs/names.h"

namespace seamount::vfs {
namespace {

// What the mount left behind under the reserved prefix is removed when it is this old; younger things may be in use.
constexpr auto kSweepAfter = std::chrono::hours(24);

Fault Exists(std::string_view name) { return {EEXIST, "'" + std::string(name) + "' exists"}; }

}  // namespace

Outcome<void> FileSystem::CheckNew(const std::string& folder_key, std::string_view name) {
  SEAMOUNT_TRY(CheckWritable());
  SEAMOUNT_TRY(CheckNewName(name));
  if (folder_key.empty() && name == kReservedName) return Fault{EPERM, "'.seamount' is the mount's own"};
  constexpr size_t kMaxKeyBytes = 1024;
  if (folder_key.size() + name.size() + 1 > kMaxKeyBytes) {
    return Fault{ENAMETOOLONG, "object keys hold 1024 bytes: '" + folder_key + std::string(name) + "'"};
  }
  return {};
}

Outcome<FileSystem::NewEntry> FileSystem::PrepareNew(uint64_t parent, std::string_view name, uint64_t lookups) {
  NewEntry entry;
  {
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY_ASSIGN(entry.folder, Folder(parent));
    entry.folder_key = InodeTree::KeyOf(*entry.folder);
  }
  SEAMOUNT_TRY(CheckNew(entry.folder_key, name));
  SEAMOUNT_TRY_ASSIGN(entry.existing, Resolve(entry.folder, name, lookups));
  return entry;
}

// What metadata has to keep of a new entry: what differs from the mount's defaults. In a folder whose setgid bit is
// set, the group is the folder's, as everywhere on Linux.
KeptAttributes FileSystem::OwnedBy(const InodePtr& folder, Kind kind, const Ownership& owner) {
  constexpr uint32_t kSetGid = 02000;
  Attributes above;
  {
    std::scoped_lock lock(mutex_);
    above = AttributesOf(*folder);
  }
  const bool inherits = (above.permissions & kSetGid) != 0;
  const bool is_folder = kind == Kind::kDirectory;
  const uint32_t permissions = (owner.permissions & 07777) | (inherits && is_folder ? kSetGid : 0);
  const uint32_t gid = inherits ? above.gid : owner.gid;
  KeptAttributes kept;
  const uint32_t usual = is_folder ? options_.directory_permissions : options_.file_permissions;
  if (permissions != usual && kind != Kind::kSymlink) kept.permissions = permissions;
  if (owner.uid != options_.uid) kept.uid = owner.uid;
  if (gid != options_.gid) kept.gid = gid;
  return kept;
}

// Writes an object that must not exist yet, and attaches it.
Outcome<InodePtr> FileSystem::WriteNew(const NewEntry& entry, std::string_view name, Kind kind,
                                       const KeptAttributes& kept) {
  Metadata metadata;
  PutMetadata(kept, metadata);
  // Two machines may ask for the same empty object at once. Where an answer is lost and the request repeated, this
  // tells whose the object is that is found there.
  metadata[kMadeByKey] = std::to_string(session_) + "-" + std::to_string(reserved_count_++);
  const std::string key = entry.folder_key + std::string(name) + (kind == Kind::kDirectory ? "/" : "");
  auto written =
      store_.Write(key, store::BytesSource(Bytes()), {.if_generation = store::kAbsent, .metadata = metadata}, {});
  if (!written && written.error().code() == ErrorCode::kPreconditionFailed) return Exists(name);
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo info, std::move(written));
  if (info.metadata.empty()) info.metadata = metadata;
  std::scoped_lock lock(mutex_);
  if (entry.folder->gone) return Fault{ENOENT, "the folder of '" + key + "' was removed"};
  Touch(*entry.folder);
  Changed(*entry.folder, name);
  InodePtr inode = Attach(entry.folder, name, {.kind = kind, .info = std::move(info)}, Now());
  ++inode->lookups;
  return inode;
}

Outcome<Attributes> FileSystem::Make(uint64_t parent, std::string_view name, Kind kind, KeptAttributes kept,
                                     const Ownership& owner) {
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(parent, name));
  if (entry.existing != nullptr) return Exists(name);
  const KeptAttributes owned = OwnedBy(entry.folder, kind, owner);
  kept.permissions = owned.permissions;
  kept.uid = owned.uid;
  kept.gid = owned.gid;
  SEAMOUNT_TRY_ASSIGN(const InodePtr inode, WriteNew(entry, name, kind, kept));
  std::scoped_lock lock(mutex_);
  return AttributesOf(*inode);
}

Outcome<Attributes> FileSystem::MakeDirectory(uint64_t parent, std::string_view name, const Ownership& owner) {
  return Make(parent, name, Kind::kDirectory, {}, owner);
}

Outcome<Attributes> FileSystem::MakeSymlink(uint64_t parent, std::string_view name, std::string_view target,
                                            const Ownership& owner) {
  if (!base::IsUtf8(target)) return Fault{EILSEQ, "a link's target is kept in metadata, which must be UTF-8"};
  // The kernel's own limit is 4 KiB; metadata of an object ends at 8 KiB.
  return Make(parent, name, Kind::kSymlink, {.symlink_target = std::string(target)}, owner);
}

Outcome<Attributes> FileSystem::MakeSpecial(uint64_t parent, std::string_view name, const Special& special,
                                            const Ownership& owner) {
  return Make(parent, name, special.kind, {.special = special}, owner);
}

Outcome<Created> FileSystem::Create(uint64_t parent, std::string_view name, const Ownership& owner,
                                    const OpenOptions& options) {
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(parent, name, 1));
  if (entry.existing != nullptr) {
    layout.unlock();
    Outcome<std::unique_ptr<OpenFile>> file = Exists(name);
    if (!options.exclusive) file = OpenExisting(entry.existing->number, options);
    if (!file) {
      Forget(entry.existing->number, 1);
      return std::move(file).error();
    }
    std::scoped_lock lock(mutex_);
    return Created{AttributesOf(*entry.existing), *std::move(file)};
  }
  // With O_EXCL the name must be ours before the call returns, so an empty object is made at once. Otherwise the file
  // is seen by others when it is closed, whole.
  InodePtr inode;
  const KeptAttributes kept = OwnedBy(entry.folder, Kind::kFile, owner);
  if (options.exclusive) {
    SEAMOUNT_TRY_ASSIGN(inode, WriteNew(entry, name, Kind::kFile, kept));
  } else {
    SEAMOUNT_TRY_ASSIGN(StagingFd fd, staging_.Create());
    std::scoped_lock lock(mutex_);
    if (entry.folder->gone) return Fault{ENOENT, "the folder of '" + std::string(name) + "' was removed"};
    inode = tree_.Child(entry.folder, name);
    if (inode == nullptr) {
      inode = tree_.Add(entry.folder, std::string(name), Kind::kFile);
      inode->staged = std::make_shared<StagedFile>(std::move(fd), nullptr);
      inode->info.key = entry.folder_key + std::string(name);
      inode->info.updated = inode->changed = clock_.WallNow();
      inode->kept = kept;
      inode->kept.mtime = inode->info.updated;
      Touch(*entry.folder);
      Changed(*entry.folder, name);
    }
    ++inode->lookups;
  }
  std::scoped_lock lock(mutex_);
  ++inode->handles;
  return Created{AttributesOf(*inode), std::make_unique<OpenFile>(OpenFile{inode, options})};
}

// A folder without a marker object would vanish with its last entry. Before an entry is taken out, it gets one.
Outcome<void> FileSystem::KeepFolder(const InodePtr& folder) {
  std::string key;
  {
    std::scoped_lock lock(mutex_);
    if (folder->number == kRootInode || folder->info.generation != store::kAbsent || folder->gone) return {};
    key = InodeTree::KeyOf(*folder);
  }
  auto written = store_.Write(key, store::BytesSource(Bytes()), {.if_generation = store::kAbsent}, {});
  if (!written && written.error().code() == ErrorCode::kPreconditionFailed) return {};  // somebody else just did
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo info, std::move(written));
  info.key = key;
  std::scoped_lock lock(mutex_);
  if (folder->info.generation == store::kAbsent) SetInfo(*folder, info);
  return {};
}

// Before the object of an open file is removed: moves the content where open handles can go on reading it. Under the
// inode's commit lock. A failure is no reason to refuse: the handles then read ESTALE.
void FileSystem::Park(const InodePtr& inode) {
  store::ObjectInfo info;
  {
    std::scoped_lock lock(mutex_);
    if (inode->handles == 0 || inode->info.generation == store::kAbsent || inode->info.size_bytes == 0) return;
    if (!inode->parked_key.empty()) return;
    info = inode->info;
  }
  const std::string parked = ReservedKey();
  const auto copy =
      store_.Copy(info.key, parked, {.if_generation = store::kAbsent, .if_source_generation = info.generation}, {});
  if (!copy) return;
  ReaderOf(inode)->Retarget(parked, copy->generation);
  std::scoped_lock lock(mutex_);
  inode->parked_key = parked;
}

// The content was parked, but the name stays after all. Under the inode's commit lock.
void FileSystem::Unpark(const InodePtr& inode) {
  std::string parked;
  store::ObjectInfo info;
  {
    std::scoped_lock lock(mutex_);
    parked = std::exchange(inode->parked_key, {});
    info = inode->info;
  }
  if (parked.empty()) return;
  ReaderOf(inode)->Retarget(info.key, info.generation);
  (void)store_.Delete(parked, {}, {});  // left behind if this fails; a later mount's sweep takes it
}

// The folder is no more: an object that it hid has its own name again. Under mutex_.
void FileSystem::UnhideObject(const InodePtr& folder, std::string_view name) {
  const InodePtr object = tree_.Child(folder, std::string(name) + kHiddenObjectMark);
  if (object != nullptr && tree_.Child(folder, name) == nullptr) tree_.Move(object, folder, std::string(name));
}

Outcome<void> FileSystem::Unlink(uint64_t parent, std::string_view name) {
  SEAMOUNT_TRY(CheckWritable());
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const InodePtr child, Resolve(folder, name));
    if (child == nullptr) return Fault{ENOENT, "'" + std::string(name) + "': no such file"};
    if (child->kind == Kind::kDirectory) return Fault{EISDIR, "'" + std::string(name) + "' is a folder"};
    std::scoped_lock commit(child->commit);
    std::string key;
    bool in_bucket = false;
    {
      std::scoped_lock lock(mutex_);
      if (!IsAt(*child, folder, name)) continue;  // renamed, removed or forgotten meanwhile: what has the name now?
      key = InodeTree::KeyOf(*child);
      in_bucket = child->info.generation != store::kAbsent;
    }
    if (in_bucket) {
      SEAMOUNT_TRY(KeepFolder(folder));
      Park(child);
      auto deleted = store_.Delete(key, {}, {});
      if (!deleted) {
        Unpark(child);
        return ToChangeFault(deleted.error());
      }
    }
    std::scoped_lock lock(mutex_);
    child->unlinked = true;
    child->kept_dirty = false;
    MarkChanged(*child);
    Touch(*folder);
    Changed(*folder, name);
    tree_.Detach(child);
    return {};
  }
}

Outcome<void> FileSystem::CheckEmpty(const InodePtr& folder) {
  std::string folder_key;
  {
    std::scoped_lock lock(mutex_);
    folder_key = InodeTree::KeyOf(*folder);
    for (const InodePtr& below : tree_.Subtree(folder)) {
      if (below != folder && below->dirty()) return Fault{ENOTEMPTY, "'" + folder_key + "' is not empty"};
    }
  }
  SEAMOUNT_VFS_ASSIGN(const store::ListPage page, store_.List({.prefix = folder_key, .max_results = 2}, {}));
  for (const store::ObjectInfo& info : page.objects) {
    if (info.key == folder_key) continue;
    const std::string_view below = std::string_view(info.key).substr(folder_key.size());
    const bool shown = IsShowable(below.substr(0, below.find('/')));
    Fault fault{ENOTEMPTY, "'" + folder_key + "' is not empty: it holds '" + info.key + "'"};
    if (!shown)
      base::Log(base::LogLevel::kWarning, fault.message + ", a key that no path can spell and `ls` does not show");
    return fault;
  }
  return {};
}

Outcome<void> FileSystem::RemoveDirectory(uint64_t parent, std::string_view name) {
  SEAMOUNT_TRY(CheckWritable());
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const InodePtr child, Resolve(folder, name));
    if (child == nullptr) return Fault{ENOENT, "'" + std::string(name) + "': no such folder"};
    if (child->kind != Kind::kDirectory) return Fault{ENOTDIR, "'" + std::string(name) + "' is not a folder"};
    // A change of its attributes would write the marker again.
    std::scoped_lock commit(child->commit);
    std::string key;
    {
      std::scoped_lock lock(mutex_);
      if (!IsAt(*child, folder, name)) continue;  // renamed, removed or forgotten meanwhile: what has the name now?
      key = InodeTree::KeyOf(*child);
    }
    SEAMOUNT_TRY(CheckEmpty(child));
    SEAMOUNT_TRY(KeepFolder(folder));
    SEAMOUNT_VFS_CHANGE([[maybe_unused]] const bool deleted, store_.Delete(key, {}, {}));
    std::scoped_lock lock(mutex_);
    child->unlinked = true;
    child->kept_dirty = false;
    Touch(*folder);
    Changed(*folder, name);
    tree_.Detach(child);
    UnhideObject(folder, name);
    return {};
  }
}

void FileSystem::SweepReserved() {
  fetcher_->pool().Run([this] {
    const auto page = store_.List({.prefix = std::string(kReservedPrefix)}, {});
    if (!page) return;  // housekeeping: the next mount tries again
    for (const store::ObjectInfo& info : page->objects) {
      if (clock_.WallNow() - info.updated < kSweepAfter) continue;
      (void)store_.Delete(info.key, {.if_generation = info.generation}, {});
    }
  });
}

}  // namespace seamount::vfs
