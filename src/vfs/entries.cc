// Making and removing names: files, folders, links.
#include <cerrno>

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

Outcome<FileSystem::NewEntry> FileSystem::PrepareNew(uint64_t parent, std::string_view name) {
  NewEntry entry;
  {
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY_ASSIGN(entry.folder, Folder(parent));
    entry.folder_key = InodeTree::KeyOf(*entry.folder);
  }
  SEAMOUNT_TRY(CheckNew(entry.folder_key, name));
  SEAMOUNT_TRY_ASSIGN(entry.existing, Resolve(entry.folder, name));
  return entry;
}

// Writes an object that must not exist yet, and attaches it.
Outcome<InodePtr> FileSystem::WriteNew(const NewEntry& entry, std::string_view name, Kind kind,
                                       const Metadata& metadata) {
  const std::string key = entry.folder_key + std::string(name) + (kind == Kind::kDirectory ? "/" : "");
  auto written =
      store_.Write(key, store::BytesSource(Bytes()), {.if_generation = store::kAbsent, .metadata = metadata}, {});
  if (!written && written.error().code() == ErrorCode::kPreconditionFailed) return Exists(name);
  SEAMOUNT_VFS_ASSIGN(store::ObjectInfo info, std::move(written));
  if (info.metadata.empty()) info.metadata = metadata;
  std::scoped_lock lock(mutex_);
  if (entry.folder->gone) return Fault{ENOENT, "the folder of '" + key + "' was removed"};
  return Attach(entry.folder, name, {.kind = kind, .info = std::move(info), .has_marker = kind == Kind::kDirectory},
                clock_.Now());
}

Outcome<Attributes> FileSystem::MakeDirectory(uint64_t parent, std::string_view name) {
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(parent, name));
  if (entry.existing != nullptr) return Exists(name);
  SEAMOUNT_TRY_ASSIGN(const InodePtr inode, WriteNew(entry, name, Kind::kDirectory, {}));
  std::scoped_lock lock(mutex_);
  ++inode->lookups;
  return AttributesOf(*inode);
}

Outcome<Attributes> FileSystem::MakeSymlink(uint64_t parent, std::string_view name, std::string_view target) {
  // The kernel's own limit is 4 KiB; metadata of an object ends at 8 KiB.
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(parent, name));
  if (entry.existing != nullptr) return Exists(name);
  Metadata metadata;
  PutMetadata({.symlink_target = std::string(target)}, metadata);
  SEAMOUNT_TRY_ASSIGN(const InodePtr inode, WriteNew(entry, name, Kind::kSymlink, metadata));
  std::scoped_lock lock(mutex_);
  ++inode->lookups;
  return AttributesOf(*inode);
}

Outcome<Created> FileSystem::Create(uint64_t parent, std::string_view name, uint32_t permissions,
                                    const OpenOptions& options) {
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(parent, name));
  if (entry.existing != nullptr) {
    layout.unlock();
    if (options.exclusive) return Exists(name);
    SEAMOUNT_TRY_ASSIGN(auto file, OpenExisting(entry.existing->number, options));
    std::scoped_lock lock(mutex_);
    ++entry.existing->lookups;
    return Created{AttributesOf(*entry.existing), std::move(file)};
  }
  // With O_EXCL the name must be ours before the call returns, so an empty object is made at once. Otherwise the file
  // is seen by others when it is closed, whole.
  InodePtr inode;
  if (options.exclusive) {
    SEAMOUNT_TRY_ASSIGN(inode, WriteNew(entry, name, Kind::kFile, {}));
  } else {
    SEAMOUNT_TRY_ASSIGN(StagingFd fd, staging_.Create());
    std::scoped_lock lock(mutex_);
    if (entry.folder->gone) return Fault{ENOENT, "the folder of '" + std::string(name) + "' was removed"};
    inode = tree_.Child(entry.folder, name);
    if (inode == nullptr) {
      inode = tree_.Add(entry.folder, std::string(name), Kind::kFile);
      inode->staged = std::make_shared<StagedFile>(std::move(fd), nullptr);
      inode->info.key = entry.folder_key + std::string(name);
      inode->info.updated = clock_.WallNow();
      inode->kept.mtime = inode->info.updated;
    }
  }
  std::scoped_lock lock(mutex_);
  if ((permissions & 07777) != options_.file_permissions) {
    inode->kept.permissions = permissions & 07777;
    inode->kept_dirty = true;
  }
  ++inode->lookups;
  ++inode->handles;
  return Created{AttributesOf(*inode), std::make_unique<OpenFile>(OpenFile{inode, options})};
}

// A folder without a marker object would vanish with its last entry. Before an entry is taken out, it gets one.
Outcome<void> FileSystem::KeepFolder(const InodePtr& folder) {
  std::string key;
  {
    std::scoped_lock lock(mutex_);
    if (folder->has_marker || folder->gone) return {};
    key = InodeTree::KeyOf(*folder);
  }
  auto written = store_.Write(key, store::BytesSource(Bytes()), {.if_generation = store::kAbsent}, {});
  if (!written && written.error().code() != ErrorCode::kPreconditionFailed) return ToFault(written.error());
  std::scoped_lock lock(mutex_);
  folder->has_marker = true;
  return {};
}

// Before the object of an open file is removed: moves the content where open handles can go on reading it. Under the
// inode's commit lock. A failure is no reason to refuse: the handles then read ESTALE.
void FileSystem::Park(const InodePtr& inode) {
  store::ObjectInfo info;
  {
    std::scoped_lock lock(mutex_);
    if (inode->handles == 0 || inode->info.generation == store::kAbsent || inode->info.size_bytes == 0) return;
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

Outcome<void> FileSystem::Unlink(uint64_t parent, std::string_view name) {
  SEAMOUNT_TRY(CheckWritable());
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const InodePtr child, Resolve(folder, name));
  if (child == nullptr) return Fault{ENOENT, "'" + std::string(name) + "': no such file"};
  if (child->kind == Kind::kDirectory) return Fault{EISDIR, "'" + std::string(name) + "' is a folder"};
  std::scoped_lock commit(child->commit);
  std::string key;
  bool in_bucket = false;
  {
    std::scoped_lock lock(mutex_);
    if (child->gone) return Fault{ENOENT, "'" + std::string(name) + "': no such file"};
    key = InodeTree::KeyOf(*child);
    in_bucket = child->info.generation != store::kAbsent;
  }
  if (in_bucket) {
    SEAMOUNT_TRY(KeepFolder(folder));
    Park(child);
    SEAMOUNT_VFS_ASSIGN([[maybe_unused]] const bool deleted, store_.Delete(key, {}, {}));
  }
  std::scoped_lock lock(mutex_);
  child->unlinked = true;
  child->kept_dirty = false;
  tree_.Detach(child);
  return {};
}

Outcome<void> FileSystem::CheckEmpty(const std::string& folder_key) {
  SEAMOUNT_VFS_ASSIGN(const store::ListPage page, store_.List({.prefix = folder_key, .max_results = 2}, {}));
  for (const store::ObjectInfo& info : page.objects) {
    if (info.key != folder_key) return Fault{ENOTEMPTY, "'" + folder_key + "' is not empty"};
  }
  return {};
}

Outcome<void> FileSystem::RemoveDirectory(uint64_t parent, std::string_view name) {
  SEAMOUNT_TRY(CheckWritable());
  std::shared_lock layout(layout_);
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const InodePtr child, Resolve(folder, name));
  if (child == nullptr) return Fault{ENOENT, "'" + std::string(name) + "': no such folder"};
  if (child->kind != Kind::kDirectory) return Fault{ENOTDIR, "'" + std::string(name) + "' is not a folder"};
  std::string key;
  {
    std::scoped_lock lock(mutex_);
    key = InodeTree::KeyOf(*child);
    for (const InodePtr& below : tree_.Subtree(child)) {
      if (below->dirty()) return Fault{ENOTEMPTY, "'" + key + "' is not empty"};
    }
  }
  SEAMOUNT_TRY(CheckEmpty(key));
  SEAMOUNT_TRY(KeepFolder(folder));
  SEAMOUNT_VFS_ASSIGN([[maybe_unused]] const bool deleted, store_.Delete(key, {}, {}));
  std::scoped_lock lock(mutex_);
  tree_.Detach(child);
  return {};
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
