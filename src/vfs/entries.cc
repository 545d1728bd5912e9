// Making and removing names: files, folders, links.
#include <cerrno>

#include "base/log.h"
#include "base/utf8.h"
#include "store/byte_source.h"
#include "vfs/names.h"
#include "vfs/publisher.h"

namespace seamount::vfs {
namespace {

Fault Exists(std::string_view name) { return {EEXIST, "'" + std::string(name) + "' exists"}; }

}  // namespace

Outcome<void> Publisher::CheckNew(const std::string& folder_key, std::string_view name) {
  SEAMOUNT_TRY(CheckWritable());
  SEAMOUNT_TRY(CheckNewName(name));
  if (folder_key.empty() && name == kReservedName) return Fault{EPERM, "'.seamount' is the mount's own"};
  constexpr size_t kMaxKeyBytes = 1024;
  if (folder_key.size() + name.size() + 1 > kMaxKeyBytes) {
    return Fault{ENAMETOOLONG, "object keys hold 1024 bytes: '" + folder_key + std::string(name) + "'"};
  }
  return {};
}

Outcome<Publisher::NewEntry> Publisher::PrepareNew(const InodePtr& folder, std::string_view name,
                                                   const CallContext& context, uint64_t lookups) {
  NewEntry entry{.folder = folder};
  {
    std::scoped_lock lock(names_.mutex());
    entry.folder_key = InodeTree::KeyOf(*folder);
  }
  SEAMOUNT_TRY(CheckNew(entry.folder_key, name));
  SEAMOUNT_TRY_ASSIGN(entry.existing, names_.Resolve(folder, name, context, lookups));
  return entry;
}

// What metadata has to keep of a new entry: what differs from the mount's defaults. In a folder whose setgid bit is
// set, the group is the folder's, as everywhere on Linux.
KeptAttributes Publisher::OwnedBy(const InodePtr& folder, Kind kind, const Ownership& owner) {
  constexpr uint32_t kSetGid = 02000;
  Attributes above;
  {
    std::scoped_lock lock(names_.mutex());
    above = names_.AttributesOf(*folder);
  }
  const bool inherits = (above.permissions & kSetGid) != 0;
  const bool is_folder = kind == Kind::kDirectory;
  const uint32_t permissions = (owner.permissions & 07777) | (inherits && is_folder ? kSetGid : 0);
  const uint32_t gid = inherits ? above.gid : owner.gid;
  KeptAttributes kept;
  const uint32_t usual = is_folder ? names_.options().directory_permissions : names_.options().file_permissions;
  if (permissions != usual && kind != Kind::kSymlink) kept.permissions = permissions;
  if (owner.uid != names_.options().uid) kept.uid = owner.uid;
  if (gid != names_.options().gid) kept.gid = gid;
  return kept;
}

// Writes an object that must not exist yet, and attaches it.
Outcome<InodePtr> Publisher::WriteNew(const NewEntry& entry, std::string_view name, Kind kind,
                                      const KeptAttributes& kept, const CallContext& context) {
  Metadata metadata;
  PutMetadata(kept, metadata);
  const std::string key = entry.folder_key + std::string(name) + (kind == Kind::kDirectory ? "/" : "");
  auto written =
      store_.Write(key, store::BytesSource(Bytes()), {.if_generation = store::kAbsent, .metadata = metadata}, context);
  if (!written && written.error().code() == ErrorCode::kPreconditionFailed) return Exists(name);
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo info, std::move(written));
  if (info.metadata.empty()) info.metadata = metadata;
  std::scoped_lock lock(names_.mutex());
  if (entry.folder->gone) return Fault{ENOENT, "the folder of '" + key + "' was removed"};
  names_.Touch(*entry.folder);
  names_.Changed(*entry.folder, name);
  InodePtr inode = names_.Attach(entry.folder, name, {.kind = kind, .info = std::move(info)}, names_.Now());
  ++inode->lookups;
  return inode;
}

Outcome<Attributes> Publisher::Make(uint64_t parent, std::string_view name, Kind kind, KeptAttributes kept,
                                    const Ownership& owner, const CallContext& context) {
  if (kept.symlink_target && !base::IsUtf8(*kept.symlink_target)) {
    return Fault{EILSEQ, "a link's target is kept in metadata, which must be UTF-8"};
  }
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const auto held, Hold({{folder, std::string(name)}}, context));
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(folder, name, context));
  if (entry.existing != nullptr) return Exists(name);
  const KeptAttributes owned = OwnedBy(folder, kind, owner);
  kept.permissions = owned.permissions;
  kept.uid = owned.uid;
  kept.gid = owned.gid;
  SEAMOUNT_TRY_ASSIGN(const InodePtr inode, WriteNew(entry, name, kind, kept, context));
  std::scoped_lock lock(names_.mutex());
  return names_.AttributesOf(*inode);
}

Outcome<Created> Publisher::Create(uint64_t parent, std::string_view name, const Ownership& owner,
                                   const OpenOptions& options, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(auto held, Hold({{folder, std::string(name)}}, context));
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(folder, name, context, 1));
  if (entry.existing != nullptr) {
    Outcome<std::unique_ptr<OpenFile>> file = Exists(name);
    if (!options.exclusive) file = content_.Open(entry.existing->number, options, context);
    if (!file) {
      names_.Forget(entry.existing->number, 1);
      return std::move(file).error();
    }
    std::scoped_lock lock(names_.mutex());
    return Created{names_.AttributesOf(*entry.existing), *std::move(file)};
  }
  // With O_EXCL the name must be ours before the call returns, so an empty object is made at once. Otherwise the file
  // is seen by others when it is closed, whole.
  InodePtr inode;
  const KeptAttributes kept = OwnedBy(folder, Kind::kFile, owner);
  if (options.exclusive) {
    SEAMOUNT_TRY_ASSIGN(inode, WriteNew(entry, name, Kind::kFile, kept, context));
  } else {
    SEAMOUNT_TRY_ASSIGN(auto staged, content_.StageNew());
    std::scoped_lock lock(names_.mutex());
    if (folder->gone) return Fault{ENOENT, "the folder of '" + std::string(name) + "' was removed"};
    inode = names_.tree().Child(folder, name);
    if (inode == nullptr) {
      inode = names_.tree().Add(folder, std::string(name), Kind::kFile);
      inode->staged = std::move(staged);
      inode->info.key = entry.folder_key + std::string(name);
      inode->info.updated = inode->changed = clock_.WallNow();
      inode->kept = kept;
      inode->kept.mtime = inode->info.updated;
      names_.Touch(*folder);
      names_.Changed(*folder, name);
    }
    ++inode->lookups;
  }
  if (!options.exclusive) recorder_.Watch(inode);
  std::scoped_lock lock(names_.mutex());
  if (options.exclusive) inode->claimed = inode->info.generation;
  ++inode->handles;
  return Created{names_.AttributesOf(*inode), std::make_unique<OpenFile>(OpenFile{inode, options})};
}

// A folder without a marker object would vanish with its last entry. Before an entry is taken out, it gets one.
Outcome<void> Publisher::KeepFolder(const InodePtr& folder, const CallContext& context) {
  std::string key;
  {
    std::scoped_lock lock(names_.mutex());
    if (folder->number == kRootInode || folder->info.generation != store::kAbsent || folder->gone) return {};
    key = InodeTree::KeyOf(*folder);
  }
  auto written = store_.Write(key, store::BytesSource(Bytes()), {.if_generation = store::kAbsent}, context);
  if (!written && written.error().code() == ErrorCode::kPreconditionFailed) return {};  // somebody else just did
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo info, std::move(written));
  info.key = key;
  std::scoped_lock lock(names_.mutex());
  if (folder->info.generation == store::kAbsent) names_.SetInfo(*folder, info);
  return {};
}

// Before the object of an open file is removed: moves the content where open handles can go on reading it. Under the
// inode's commit lock. A failure is no reason to refuse: the handles then read ESTALE.
void Publisher::Park(const InodePtr& inode, const CallContext& context) {
  store::ObjectInfo info;
  {
    std::scoped_lock lock(names_.mutex());
    if (inode->handles == 0 || inode->info.generation == store::kAbsent || inode->info.size_bytes == 0) return;
    if (!inode->parked_key.empty()) return;
    info = inode->info;
  }
  const std::string parked = reserved_.Next();
  const auto copy = store_.Copy(info.key, parked,
                                {.if_generation = store::kAbsent, .if_source_generation = info.generation}, context);
  if (!copy) return;
  content_.ReaderOf(inode)->Retarget(parked, copy->generation);
  std::scoped_lock lock(names_.mutex());
  inode->parked_key = parked;
}

// The content was parked, but the name stays after all. Under the inode's commit lock.
void Publisher::Unpark(const InodePtr& inode) {
  std::string parked;
  store::ObjectInfo info;
  {
    std::scoped_lock lock(names_.mutex());
    parked = std::exchange(inode->parked_key, {});
    info = inode->info;
  }
  if (parked.empty()) return;
  content_.ReaderOf(inode)->Retarget(info.key, info.generation);
  (void)store_.Delete(parked, {}, {});  // left behind if this fails; a later mount's sweep takes it
}

// The folder is no more: an object that it hid has its own name again. Under mutex_.
void Publisher::UnhideObject(const InodePtr& folder, std::string_view name) {
  const InodePtr object = names_.tree().Child(folder, std::string(name) + kHiddenObjectMark);
  if (object != nullptr && names_.tree().Child(folder, name) == nullptr)
    names_.tree().Move(object, folder, std::string(name));
}

Outcome<void> Publisher::Unlink(uint64_t parent, std::string_view name, const CallContext& context) {
  SEAMOUNT_TRY(CheckWritable());
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const auto held, Hold({{folder, std::string(name)}}, context));
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const InodePtr child, names_.Resolve(folder, name, context));
    if (child == nullptr) return Fault{ENOENT, "'" + std::string(name) + "': no such file"};
    if (child->kind == Kind::kDirectory) return Fault{EISDIR, "'" + std::string(name) + "' is a folder"};
    SEAMOUNT_TRY_ASSIGN(const auto commit, LockCommit(*child, context));
    std::string key;
    bool in_bucket = false;
    {
      std::scoped_lock lock(names_.mutex());
      if (!Namespace::IsAt(*child, folder, name))
        continue;  // renamed, removed or forgotten meanwhile: what has the name now?
      key = InodeTree::KeyOf(*child);
      in_bucket = child->info.generation != store::kAbsent;
    }
    if (in_bucket) {
      SEAMOUNT_TRY(KeepFolder(folder, context));
      Park(child, context);
      auto deleted = store_.Delete(key, {}, context);
      if (!deleted) {
        Unpark(child);
        return ToChangeFault(deleted.error());
      }
    }
    recorder_.Forget(child);
    std::scoped_lock lock(names_.mutex());
    child->unlinked = true;
    child->kept_dirty = false;
    names_.MarkChanged(*child);
    names_.Touch(*folder);
    names_.Changed(*folder, name);
    names_.tree().Detach(child);
    return {};
  }
}

Outcome<void> Publisher::CheckEmpty(const InodePtr& folder, const CallContext& context) {
  std::string folder_key;
  {
    std::scoped_lock lock(names_.mutex());
    folder_key = InodeTree::KeyOf(*folder);
    for (const InodePtr& below : names_.tree().Subtree(folder)) {
      if (below != folder && below->dirty()) return Fault{ENOTEMPTY, "'" + folder_key + "' is not empty"};
    }
  }
  SEAMOUNT_VFS_ASSIGN(const store::ListPage page, store_.List({.prefix = folder_key, .max_results = 2}, context));
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

Outcome<void> Publisher::RemoveDirectory(uint64_t parent, std::string_view name, const CallContext& context) {
  SEAMOUNT_TRY(CheckWritable());
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const auto held, Hold({{folder, std::string(name) + "/"}}, context));
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const InodePtr child, names_.Resolve(folder, name, context));
    if (child == nullptr) return Fault{ENOENT, "'" + std::string(name) + "': no such folder"};
    if (child->kind != Kind::kDirectory) return Fault{ENOTDIR, "'" + std::string(name) + "' is not a folder"};
    // A change of its attributes would write the marker again.
    SEAMOUNT_TRY_ASSIGN(const auto commit, LockCommit(*child, context));
    std::string key;
    {
      std::scoped_lock lock(names_.mutex());
      if (!Namespace::IsAt(*child, folder, name))
        continue;  // renamed, removed or forgotten meanwhile: what has the name now?
      key = InodeTree::KeyOf(*child);
    }
    SEAMOUNT_TRY(CheckEmpty(child, context));
    SEAMOUNT_TRY(KeepFolder(folder, context));
    SEAMOUNT_VFS_CHANGE([[maybe_unused]] const bool deleted, store_.Delete(key, {}, context));
    std::scoped_lock lock(names_.mutex());
    child->unlinked = true;
    child->kept_dirty = false;
    names_.Touch(*folder);
    names_.Changed(*folder, name);
    names_.tree().Detach(child);
    UnhideObject(folder, name);
    return {};
  }
}

}  // namespace seamount::vfs
