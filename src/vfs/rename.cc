// Renaming. A store has no rename: a file is copied on the store's side and the old object deleted, each on condition
// of its generation; a folder is that for everything below it, all copies first, so that a failure on the way leaves
// the old folder whole (and what was copied is removed again).
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <unordered_map>

#include "store/byte_source.h"
#include "vfs/file_system.h"
#include "vfs/names.h"

namespace seamount::vfs {
namespace {

// Two inodes' commit locks (the second may be absent), taken without a deadlock.
class CommitLocks {
 public:
  CommitLocks(Inode& a, Inode* b) : first_(a.commit, std::defer_lock) {
    if (b == nullptr) {
      first_.lock();
      return;
    }
    second_ = std::unique_lock(b->commit, std::defer_lock);
    std::lock(first_, second_);
  }

 private:
  std::unique_lock<std::mutex> first_;
  std::unique_lock<std::mutex> second_;
};

// The object's metadata, with its modification time: a copy would have a new one, and a renamed file has not.
Metadata WithTime(const store::ObjectInfo& info) {
  Metadata metadata = info.metadata;
  KeptAttributes kept = ParseMetadata(metadata);
  if (!kept.mtime) PutMetadata({.mtime = info.updated}, metadata);
  return metadata;
}

}  // namespace

Outcome<void> FileSystem::Rename(uint64_t parent, std::string_view name, uint64_t new_parent, std::string_view new_name,
                                 bool replace) {
  SEAMOUNT_TRY(CheckWritable());
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const InodePtr inode, Resolve(folder, name));
  if (inode == nullptr) return Fault{ENOENT, "'" + std::string(name) + "': no such file or folder"};
  const bool moves_folder = inode->kind == Kind::kDirectory;

  // A folder's rename moves keys that others would be using.
  std::shared_lock shared(layout_, std::defer_lock);
  std::unique_lock alone(layout_, std::defer_lock);
  if (moves_folder) {
    alone.lock();
  } else {
    shared.lock();
  }
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(new_parent, new_name));
  const InodePtr& target = entry.existing;
  if (target == inode) return {};
  {
    std::scoped_lock lock(mutex_);
    if (!IsAt(*inode, folder, name)) {
      return Fault{ENOENT, "'" + std::string(name) + "' was renamed or removed meanwhile"};
    }
  }
  if (target != nullptr) {
    if (!replace) return Fault{EEXIST, "'" + std::string(new_name) + "' exists"};
    const bool target_folder = target->kind == Kind::kDirectory;
    if (moves_folder && !target_folder) return Fault{ENOTDIR, "'" + std::string(new_name) + "' is not a folder"};
    if (!moves_folder && target_folder) return Fault{EISDIR, "'" + std::string(new_name) + "' is a folder"};
  }
  return moves_folder ? RenameFolder(inode, entry, new_name) : RenameFile(inode, entry, new_name, replace);
}

Outcome<void> FileSystem::RenameFile(const InodePtr& inode, const NewEntry& entry, std::string_view name,
                                     bool replace) {
  const InodePtr& target = entry.existing;
  const CommitLocks locks(*inode, target.get());
  SEAMOUNT_TRY(CommitInode(inode));
  std::string from;
  store::ObjectInfo info;
  Metadata metadata;
  InodePtr old_folder;
  {
    std::scoped_lock lock(mutex_);
    if (inode->gone) return Fault{ENOENT, "'" + inode->name + "' was removed meanwhile"};
    from = InodeTree::KeyOf(*inode);
    info = inode->info;
    metadata = WithTime(info);
    old_folder = inode->parent;
  }
  SEAMOUNT_TRY(KeepFolder(old_folder));
  if (target != nullptr) Park(target);
  const std::string to = entry.folder_key + std::string(name);
  store::CopyOptions options{.if_source_generation = info.generation};
  if (metadata != info.metadata) options.metadata = metadata;  // saying it costs a request more
  if (!replace) options.if_generation = store::kAbsent;
  auto copied = store_.Copy(from, to, options, {});
  if (!copied && target != nullptr) Unpark(target);
  if (!copied && copied.error().code() == ErrorCode::kPreconditionFailed && !replace) {
    return Fault{EEXIST, copied.error().message()};
  }
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo after, std::move(copied));
  after.key = to;
  if (after.metadata.empty()) after.metadata = metadata;
  {
    // Before the old object goes: who opens or reads the file meanwhile must find the copy.
    std::scoped_lock lock(mutex_);
    if (target != nullptr) {
      target->unlinked = true;
      target->kept_dirty = false;
      MarkChanged(*target);
      tree_.Detach(target);
    }
    Touch(*old_folder);
    Touch(*entry.folder);
    Changed(*old_folder, inode->name);
    Changed(*entry.folder, name);
    tree_.Move(inode, entry.folder, std::string(name));
    MarkChanged(*inode);
    SetInfo(*inode, after);
    inode->checked = Now();
    if (inode->reader != nullptr) inode->reader->Retarget(to, after.generation);
  }
  // If somebody replaced the old name in between, theirs stays.
  auto deleted = store_.Delete(from, {.if_generation = info.generation}, {});
  if (!deleted && deleted.error().code() != ErrorCode::kPreconditionFailed) return ToChangeFault(deleted.error());
  return {};
}

Outcome<std::vector<store::ObjectInfo>> FileSystem::CopyAll(const std::vector<store::ObjectInfo>& objects,
                                                            const std::string& from, const std::string& to) {
  std::vector<Result<store::ObjectInfo>> copies(objects.size(), base::Cancelled("an earlier copy failed"));
  std::atomic<bool> failed = false;
  exec::ParallelFor(fetcher_->pool(), objects.size(), [&](size_t i) {
    if (failed) return;
    const std::string key = to + objects[i].key.substr(from.size());
    store::CopyOptions options{.if_source_generation = objects[i].generation};
    if (auto metadata = WithTime(objects[i]); metadata != objects[i].metadata) options.metadata = std::move(metadata);
    copies[i] = store_.Copy(objects[i].key, key, options, {});
    if (!copies[i]) {
      failed = true;
    } else {
      copies[i]->key = key;
    }
  });
  std::vector<store::ObjectInfo> made;
  std::optional<Error> error;
  for (auto& copy : copies) {
    if (copy) {
      made.push_back(*std::move(copy));
    } else if (!error || error->code() == ErrorCode::kCancelled) {
      error = copy.error();
    }
  }
  if (!error) return made;
  exec::ParallelFor(fetcher_->pool(), made.size(),
                    [&](size_t i) { (void)store_.Delete(made[i].key, {.if_generation = made[i].generation}, {}); });
  return ToChangeFault(*error);
}

Outcome<void> FileSystem::RenameFolder(const InodePtr& inode, const NewEntry& entry, std::string_view name) {
  std::string from;
  std::vector<InodePtr> below;
  InodePtr old_folder;
  {
    std::scoped_lock lock(mutex_);
    from = InodeTree::KeyOf(*inode);
    below = tree_.Subtree(inode);
    old_folder = inode->parent;
  }
  const std::string to = entry.folder_key + std::string(name) + "/";
  if (to.starts_with(from)) return Fault{EINVAL, "a folder cannot be moved into itself"};
  if (entry.existing != nullptr) SEAMOUNT_TRY(CheckEmpty(entry.existing));
  for (const InodePtr& each : below) {
    std::scoped_lock commit(each->commit);
    SEAMOUNT_TRY(CommitInode(each));
  }
  SEAMOUNT_TRY(KeepFolder(inode));  // so that there is something to copy
  SEAMOUNT_TRY(KeepFolder(old_folder));
  SEAMOUNT_VFS_ASSIGN(const store::ListPage page, store::ListAll(store_, {.prefix = from}, {}));
  for (const store::ObjectInfo& info : page.objects) {
    if (!store::CheckKey(to + info.key.substr(from.size()))) {
      return Fault{ENAMETOOLONG, "renaming '" + from + "': the key of '" + info.key + "' would be over 1024 bytes"};
    }
  }
  SEAMOUNT_TRY_ASSIGN(const std::vector<store::ObjectInfo> copies, CopyAll(page.objects, from, to));
  MoveFolder(inode, entry, name, copies);
  std::atomic<bool> left = false;
  exec::ParallelFor(fetcher_->pool(), page.objects.size(), [&](size_t i) {
    const auto deleted = store_.Delete(page.objects[i].key, {.if_generation = page.objects[i].generation}, {});
    if (!deleted) left = true;
  });
  if (left) return Fault{EIO, "'" + from + "' was copied to '" + to + "', but not all of the old folder is deleted"};
  return {};
}

// The tree's part, before the old objects go: who opens or reads a file meanwhile must find the copy.
void FileSystem::MoveFolder(const InodePtr& inode, const NewEntry& entry, std::string_view name,
                            const std::vector<store::ObjectInfo>& copies) {
  std::unordered_map<std::string, const store::ObjectInfo*> by_key;
  for (const store::ObjectInfo& info : copies) by_key.emplace(info.key, &info);
  std::scoped_lock lock(mutex_);
  if (entry.existing != nullptr) {
    entry.existing->unlinked = true;  // who has it open may change its attributes, to no effect
    entry.existing->kept_dirty = false;
    tree_.Detach(entry.existing);
  }
  const InodePtr old_folder = inode->parent;
  const std::string old_name = inode->name;
  Touch(*old_folder);
  Touch(*entry.folder);
  Changed(*old_folder, old_name);
  Changed(*entry.folder, name);
  tree_.Move(inode, entry.folder, std::string(name));
  UnhideObject(old_folder, old_name);
  for (const InodePtr& each : tree_.Subtree(inode)) {
    const auto copy = by_key.find(InodeTree::KeyOf(*each));
    if (copy == by_key.end()) {
      if (each->kind == Kind::kDirectory) continue;  // has no marker
      tree_.Detach(each);                            // somebody else removed it before it was copied
      continue;
    }
    // What was written since it was copied goes up later, and its time with it.
    const bool written = each->staged != nullptr && each->staged->dirty();
    const KeptAttributes kept = each->kept;
    SetInfo(*each, *copy->second);
    if (written) each->kept = kept;
    each->checked = Now();
    if (each->reader != nullptr) each->reader->Retarget(copy->first, copy->second->generation);
  }
}

}  // namespace seamount::vfs
