// Opening the file system, looking names up, and attributes.
#include "vfs/file_system.h"

#include <algorithm>
#include <cerrno>
#include <random>

#include "base/log.h"
#include "vfs/names.h"

namespace seamount::vfs {
namespace {

uint64_t RandomNumber() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

Error NoStaging(const Fault& fault) {
  const std::string message = fault.message + " (written bytes wait there for their upload: choose a folder with room)";
  if (fault.error == ENOSPC || fault.error == EDQUOT) return base::ResourceExhausted(message);
  if (fault.error == EACCES || fault.error == EPERM || fault.error == EROFS) return base::PermissionDenied(message);
  return base::InvalidArgument(message);
}

Fault NoEntry(const std::string& what) { return {ENOENT, "'" + what + "': no such file or folder"}; }

}  // namespace

FileSystem::FileSystem(std::shared_ptr<Store> store, const FileSystemOptions& options)
    : options_(options),
      clock_(options.clock != nullptr ? *options.clock : base::RealClock()),
      fetcher_(std::make_unique<Fetcher>(
          std::move(store),
          Fetcher::Options{.memory_bytes = options.memory_bytes, .threads = options.threads, .clock = options.clock},
          &stats_)),
      store_(fetcher_->store()),
      staging_(options.staging_dir),
      mounted_(clock_.WallNow()),
      session_(RandomNumber()) {}

FileSystem::~FileSystem() = default;

Result<std::unique_ptr<FileSystem>> FileSystem::Open(std::shared_ptr<Store> store, const FileSystemOptions& options) {
  std::unique_ptr<FileSystem> fs(new FileSystem(std::move(store), options));
  if (!options.read_only) {
    if (auto ready = fs->staging_.Prepare(); !ready) return NoStaging(ready.error());
    fs->SweepReserved();
  }
  return fs;
}

uint64_t FileSystem::memory_peak_bytes() const { return fetcher_->budget().peak(); }

Outcome<void> FileSystem::CheckWritable() const {
  if (options_.read_only) return Fault{EROFS, "mounted read-only"};
  return {};
}

Outcome<InodePtr> FileSystem::Existing(uint64_t number) {
  InodePtr inode = tree_.Find(number);
  if (inode == nullptr) return Fault{ESTALE, "inode " + std::to_string(number) + " is forgotten"};
  return inode;
}

Outcome<InodePtr> FileSystem::Folder(uint64_t number) {
  SEAMOUNT_TRY_ASSIGN(InodePtr inode, Existing(number));
  if (inode->kind != Kind::kDirectory) return Fault{ENOTDIR, "'" + inode->name + "' is not a folder"};
  if (inode->gone) return NoEntry(inode->name);
  return inode;
}

Outcome<InodePtr> FileSystem::FindFolder(uint64_t number) {
  std::scoped_lock lock(mutex_);
  return Folder(number);
}

Attributes FileSystem::AttributesOf(const Inode& inode) const {
  const bool folder = inode.kind == Kind::kDirectory;
  const bool in_bucket = inode.info.generation != store::kAbsent;
  const base::SystemTime updated = folder && !in_bucket ? mounted_ : inode.info.updated;
  const bool changed = inode.changed != base::SystemTime::min();
  const uint32_t usual = folder ? options_.directory_permissions : options_.file_permissions;
  Attributes attributes{.inode = inode.number,
                        .kind = inode.kind,
                        // Of a folder too: how many it holds is not counted, and `find` would believe a 2.
                        .links = inode.gone ? 0U : 1U,
                        .size_bytes = inode.info.size_bytes,
                        .permissions = inode.kept.permissions.value_or(usual),
                        .uid = inode.kept.uid.value_or(options_.uid),
                        .gid = inode.kept.gid.value_or(options_.gid),
                        .mtime = std::max(inode.kept.mtime.value_or(updated), inode.filled),
                        .ctime = folder    ? std::max(updated, inode.changed)
                                 : changed ? inode.changed
                                           : updated};
  attributes.atime = inode.kept.atime.value_or(attributes.mtime);
  if (inode.staged != nullptr) attributes.size_bytes = inode.staged->size();
  if (inode.kept.special) attributes.device = inode.kept.special->device;
  if (inode.kind == Kind::kSymlink) {
    attributes.permissions = 0777;
    attributes.size_bytes = inode.kept.symlink_target.value_or("").size();
  }
  return attributes;
}

bool FileSystem::Fresh(const Inode& inode) const {
  return inode.dirty() || clock_.Now() - inode.checked.time < options_.attribute_ttl;
}

void FileSystem::SetInfo(Inode& inode, const store::ObjectInfo& info) {
  inode.info = info;
  const auto atime = inode.kept.atime;
  inode.kept = ParseMetadata(info.metadata);
  // Metadata holds whole seconds.
  if (atime && inode.kept.atime == std::chrono::floor<std::chrono::seconds>(*atime)) inode.kept.atime = atime;
  inode.kept_dirty = false;
}

void FileSystem::MarkChanged(Inode& inode) {
  // The store's clock, which told the time before, may be ahead.
  inode.changed = std::max(clock_.WallNow(), AttributesOf(inode).ctime + std::chrono::nanoseconds(1));
}

void FileSystem::Touch(Inode& folder) {
  MarkChanged(folder);
  folder.filled = folder.changed;
}

Outcome<std::optional<FileSystem::Found>> FileSystem::Probe(const std::string& parent_key, std::string_view name) {
  const std::string key = parent_key + std::string(WithoutMark(name));
  const bool hidden = name.ends_with(kHiddenObjectMark);
  if (WithoutMark(name).empty() || !store::CheckKey(key)) return std::optional<Found>();
  // Both questions at once; a folder costs no second round trip, and neither does a file.
  auto stat = fetcher_->pool().Submit([this, key] { return store_.Stat(key, {}); });
  Result<store::ListPage> listed = store_.List({.prefix = key + "/", .max_results = 1}, {});
  auto object = stat.get();
  SEAMOUNT_VFS_ASSIGN(store::ListPage below, std::move(listed));
  SEAMOUNT_VFS_ASSIGN(const auto info, std::move(object));
  const bool folder = !below.objects.empty();
  if (hidden && !folder) return std::optional<Found>();  // the object has its own name, and one only
  if (folder && !hidden) {
    Found found{.kind = Kind::kDirectory};
    if (below.objects[0].key == key + "/") found.info = std::move(below.objects[0]);
    return std::optional<Found>(std::move(found));
  }
  if (!info) return std::optional<Found>();
  return std::optional<Found>({.kind = KindOf(ParseMetadata(info->metadata)), .info = *info});
}

bool FileSystem::HoldsDirty(const InodePtr& inode) const {
  const auto below = tree_.Subtree(inode);
  return std::any_of(below.begin(), below.end(), [](const InodePtr& each) { return each->dirty(); });
}

void FileSystem::Changed(Inode& folder, std::string_view name) {
  if (folder.watchers > 0) folder.changes.insert_or_assign(std::string(name), ++order_);
}

InodePtr FileSystem::Attach(const InodePtr& parent, std::string_view name, const Found& found, const Moment& asked) {
  InodePtr child = tree_.Child(parent, name);
  if (child != nullptr && (child->dirty() || child->checked.order > asked.order)) return child;  // we know better
  const bool same = child != nullptr && child->kind == found.kind &&
                    (found.kind == Kind::kDirectory || child->info.generation == found.info.generation);
  if (!same) {
    if (child != nullptr && HoldsDirty(child)) return child;
    const auto change = parent->changes.find(name);
    if (change != parent->changes.end() && change->second > asked.order) return child;
    if (child != nullptr) tree_.Detach(child);
    child = tree_.Add(parent, std::string(name), found.kind);
  }
  SetInfo(*child, found.info);
  child->checked = asked;
  return child;
}

Outcome<InodePtr> FileSystem::Resolve(const InodePtr& parent, std::string_view name, uint64_t lookups) {
  if (name.size() > kMaxNameBytes) return Fault{ENAMETOOLONG, "a name may hold 255 bytes"};
  const auto counted = [&](InodePtr child) {
    child->lookups += lookups;
    return child;
  };
  for (;;) {
    std::string parent_key;
    Moment asked;
    std::optional<FolderWatch> watch;
    {
      std::scoped_lock lock(mutex_);
      if (parent->gone) return NoEntry(parent->name);
      InodePtr child = tree_.Child(parent, name);
      if (child != nullptr && Fresh(*child)) return counted(std::move(child));
      parent_key = InodeTree::KeyOf(*parent);
      watch.emplace(mutex_, parent);
      asked = Now();
    }
    if (parent_key.empty() && WithoutMark(name) == kReservedName) return InodePtr();
    SEAMOUNT_TRY_ASSIGN(const auto found, Probe(parent_key, name));
    std::scoped_lock lock(mutex_);
    if (parent->gone) return NoEntry(parent->name);
    if (InodeTree::KeyOf(*parent) != parent_key) continue;  // renamed meanwhile
    if (found) {
      InodePtr child = Attach(parent, name, *found, asked);
      if (child == nullptr) continue;  // removed here meanwhile; somebody may have made it again
      return counted(std::move(child));
    }
    InodePtr child = tree_.Child(parent, name);
    if (child == nullptr) return child;
    if (child->checked.order > asked.order || HoldsDirty(child)) return counted(std::move(child));
    tree_.Detach(child);
    return InodePtr();
  }
}

Outcome<Attributes> FileSystem::Lookup(uint64_t parent, std::string_view name) {
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const InodePtr child, Resolve(folder, name, 1));
  if (child == nullptr) return NoEntry(std::string(name));
  std::scoped_lock lock(mutex_);
  return AttributesOf(*child);
}

void FileSystem::Forget(uint64_t number, uint64_t lookups) {
  std::scoped_lock lock(mutex_);
  const InodePtr inode = tree_.Find(number);
  if (inode == nullptr) return;
  inode->lookups -= std::min(inode->lookups, lookups);
  tree_.ReleaseIfUnused(inode);
}

// Asks the store whether the inode is still what the bucket has. ESTALE if it is not: the kernel then looks the name
// up again.
Outcome<void> FileSystem::Revalidate(const InodePtr& inode) {
  std::string key;
  Moment asked;
  {
    std::scoped_lock lock(mutex_);
    if (inode->gone) return Fault{ESTALE, "'" + inode->name + "' was removed or replaced"};
    if (inode->dirty()) return {};
    key = InodeTree::KeyOf(*inode);
    asked = Now();
  }
  SEAMOUNT_VFS_ASSIGN(const auto info, store_.Stat(key, {}));
  std::scoped_lock lock(mutex_);
  if (inode->dirty() || inode->checked.order > asked.order) return {};
  if (!inode->gone && InodeTree::KeyOf(*inode) != key) return {};  // renamed here meanwhile
  if (!info || info->generation != inode->info.generation) {
    if (!inode->gone) tree_.Detach(inode);
    return Fault{ESTALE, "'" + key + "' was removed or replaced"};
  }
  SetInfo(*inode, *info);
  inode->checked = asked;
  return {};
}

Outcome<Attributes> FileSystem::Stat(uint64_t number) {
  InodePtr inode;
  {
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY_ASSIGN(inode, Existing(number));
    // An open file shows the generation it is pinned to.
    if (inode->kind == Kind::kDirectory || inode->handles > 0 || Fresh(*inode)) return AttributesOf(*inode);
  }
  SEAMOUNT_TRY(Revalidate(inode));
  std::scoped_lock lock(mutex_);
  return AttributesOf(*inode);
}

Outcome<std::string> FileSystem::ReadLink(uint64_t number) {
  std::scoped_lock lock(mutex_);
  SEAMOUNT_TRY_ASSIGN(const InodePtr inode, Existing(number));
  if (!inode->kept.symlink_target) return Fault{EINVAL, "'" + inode->name + "' is not a symbolic link"};
  return *inode->kept.symlink_target;
}

Outcome<OpenDirectory> FileSystem::ListFolder(const InodePtr& folder) {
  OpenDirectory open;
  {
    std::scoped_lock lock(mutex_);
    if (folder->gone) return NoEntry(folder->name);
    open.inode = folder->number;
    open.parent = folder->parent == nullptr ? kRootInode : folder->parent->number;
    open.key = InodeTree::KeyOf(*folder);
    open.watch = std::make_unique<FolderWatch>(mutex_, folder);
    open.listed = Now();
  }
  const std::string& key = open.key;
  SEAMOUNT_VFS_ASSIGN(
      store::ListPage page,
      store::ListAll(store_, {.prefix = key, .delimiter = "/", .include_trailing_delimiter = true}, {}));

  std::map<std::string, DirectoryEntry, std::less<>> entries;
  const auto add = [&](std::string name, Kind kind, store::ObjectInfo info) {
    if (!IsShowable(WithoutMark(name)) || (key.empty() && WithoutMark(name) == kReservedName)) return;
    DirectoryEntry entry{.name = name, .kind = kind, .info = std::move(info)};
    entries.insert_or_assign(std::move(name), std::move(entry));
  };
  for (const std::string& prefix : page.prefixes) {
    add(prefix.substr(key.size(), prefix.size() - key.size() - 1), Kind::kDirectory, {});
  }
  for (store::ObjectInfo& info : page.objects) {
    std::string name = info.key.substr(key.size());
    if (name.ends_with('/')) {  // the marker of a folder that is there already
      name.pop_back();
      if (const auto entry = entries.find(name); entry != entries.end()) entry->second.info = std::move(info);
      continue;
    }
    if (entries.contains(name)) name += kHiddenObjectMark;
    const Kind kind = KindOf(ParseMetadata(info.metadata));
    add(std::move(name), kind, std::move(info));
  }
  std::scoped_lock lock(mutex_);
  // What was made or removed here while the store was asked.
  for (const auto& [name, order] : folder->changes) {
    if (order > open.listed.order && tree_.Child(folder, name) == nullptr) entries.erase(name);
  }
  for (const auto& [name, child] : folder->children) {
    if (child->dirty() || child->checked.order > open.listed.order) add(name, child->kind, child->info);
  }
  open.entries.reserve(entries.size());
  for (auto& [name, entry] : entries) open.entries.push_back(std::move(entry));
  return open;
}

Outcome<std::unique_ptr<OpenDirectory>> FileSystem::OpenFolder(uint64_t number) {
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(number));
  SEAMOUNT_TRY_ASSIGN(OpenDirectory open, ListFolder(folder));
  return std::make_unique<OpenDirectory>(std::move(open));
}

Outcome<void> FileSystem::Rewind(OpenDirectory& folder) {
  const InodePtr inode = folder.watch->folder();
  auto listed = ListFolder(inode);
  if (listed) {
    folder = *std::move(listed);
  } else if (listed.error().error != ENOENT) {
    return std::move(listed).error();
  } else {
    folder.entries.clear();  // removed meanwhile: it is empty now
  }
  return {};
}

std::optional<Attributes> FileSystem::EntryAttributes(const OpenDirectory& folder, const DirectoryEntry& entry) {
  std::scoped_lock lock(mutex_);
  const InodePtr& parent = folder.watch->folder();
  if (parent->gone || InodeTree::KeyOf(*parent) != folder.key) return std::nullopt;
  const InodePtr known = tree_.Child(parent, entry.name);
  const bool created_since = entry.kind != Kind::kDirectory && entry.info.generation == store::kAbsent;
  if (known == nullptr && (created_since || clock_.Now() - folder.listed.time >= options_.attribute_ttl)) {
    return std::nullopt;
  }
  const InodePtr child = Attach(parent, entry.name, {.kind = entry.kind, .info = entry.info}, folder.listed);
  if (child == nullptr) return std::nullopt;
  ++child->lookups;
  return AttributesOf(*child);
}

}  // namespace seamount::vfs
