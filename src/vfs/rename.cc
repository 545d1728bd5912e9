// Renaming. A store has no rename: a file is copied on the store's side and the old object deleted, each on condition
// of its generation; a folder is that for everything below it, all copies first, so that a failure on the way leaves
// the old folder whole (and what was copied is removed again).
#include "store/rename.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <unordered_map>

#include "vfs/names.h"
#include "vfs/publisher.h"

namespace seamount::vfs {
namespace {

// The object's metadata, with its modification time: a copy would have a new one, and a renamed file has not.
Metadata WithTime(const store::ObjectInfo& info) {
  Metadata metadata = info.metadata;
  KeptAttributes kept = ParseMetadata(metadata);
  if (!kept.mtime) PutMetadata({.mtime = info.updated}, metadata);
  return metadata;
}

}  // namespace

Outcome<void> Publisher::Rename(uint64_t parent, std::string_view name, uint64_t new_parent, std::string_view new_name,
                                bool replace, const CallContext& context) {
  SEAMOUNT_TRY(CheckWritable());
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const InodePtr new_folder, FindFolder(new_parent));
  SEAMOUNT_TRY_ASSIGN(const InodePtr inode, names_.Resolve(folder, name, context));
  if (inode == nullptr) return NoEntry(name);
  const bool moves_folder = inode->kind == Kind::kDirectory;
  const std::string from(name), to(new_name), slash = moves_folder ? "/" : "";
  SEAMOUNT_TRY_ASSIGN(const auto held, Hold({{folder, from + slash}, {new_folder, to + slash}}, context, moves_folder));
  SEAMOUNT_TRY_ASSIGN(const NewEntry entry, PrepareNew(new_folder, new_name, context));
  const InodePtr& target = entry.existing;
  if (target == inode) return {};
  if (target != nullptr) {
    if (!replace) return Fault{EEXIST, "'" + to + "' exists"};
    const bool target_folder = target->kind == Kind::kDirectory;
    if (moves_folder && !target_folder) return Fault{ENOTDIR, "'" + to + "' is not a folder"};
    if (!moves_folder && target_folder) return Fault{EISDIR, "'" + to + "' is a folder"};
  }
  // Two inodes' commit locks, always in the same order.
  std::vector<Inode*> order = {inode.get()};
  if (target != nullptr && !moves_folder) order.push_back(target.get());
  std::sort(order.begin(), order.end());
  std::vector<std::unique_lock<std::timed_mutex>> commits;
  for (Inode* each : order) {
    if (moves_folder) break;  // nobody else changes what is below
    SEAMOUNT_TRY_ASSIGN(auto commit, LockCommit(*each, context));
    commits.push_back(std::move(commit));
  }
  {
    std::scoped_lock lock(names_.mutex());
    if (!Namespace::IsAt(*inode, folder, name)) {
      return Fault{ENOENT, "'" + from + "' was renamed or removed meanwhile"};
    }
  }
  return moves_folder ? RenameFolder(inode, entry, new_name, context)
                      : RenameFile(inode, folder, entry, new_name, replace, context);
}

Outcome<void> Publisher::RenameFile(const InodePtr& inode, const InodePtr& old_folder, const NewEntry& entry,
                                    std::string_view name, bool replace, const CallContext& context) {
  const InodePtr& target = entry.existing;
  SEAMOUNT_TRY(CommitInode(inode, context));
  std::string from;
  store::ObjectInfo info;
  {
    std::scoped_lock lock(names_.mutex());
    from = InodeTree::KeyOf(*inode);
    info = inode->info;
    info.key = from;
  }
  SEAMOUNT_TRY(KeepFolder(old_folder, context));
  // A renamed file has the time that it had: say it where metadata does not, since a moved object is a new one.
  if (const Metadata metadata = WithTime(info); metadata != info.metadata) {
    SEAMOUNT_VFS_CHANGE(info, WriteAttributes(from, info, ParseMetadata(metadata), context));
  }
  if (target != nullptr) Park(target, context);
  const std::string to = entry.folder_key + std::string(name);
  store::MoveOptions options{.if_source_generation = info.generation, .source = info};
  if (!replace) options.if_generation = store::kAbsent;
  BeginMove(inode);
  auto moved = store::Rename(store_, from, to, options, context);
  if (!moved) EndMove(inode, info);
  if (!moved && target != nullptr) Unpark(target);
  if (!moved && moved.error().code() == ErrorCode::kNotFound) {
    return Fault{ENOENT, "'" + from + "' was removed or renamed by somebody else"};
  }
  if (!moved && moved.error().code() == ErrorCode::kPreconditionFailed && !replace) {
    // Whose condition failed: the target's, or the source's?
    SEAMOUNT_VFS_ASSIGN(const auto there, store_.Stat(to, context));
    if (there) return Fault{EEXIST, moved.error().message()};
  }
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo after, std::move(moved));
  after.key = to;
  if (after.metadata.empty()) after.metadata = info.metadata;
  if (target != nullptr) recorder_.Forget(target);
  {
    std::scoped_lock lock(names_.mutex());
    if (target != nullptr) {
      target->unlinked = true;
      target->kept_dirty = false;
      names_.MarkChanged(*target);
      if (!target->gone) names_.tree().Detach(target);
    }
    // Who looked the new name up just now has found what is this inode.
    if (const InodePtr found = names_.tree().Child(entry.folder, name)) names_.tree().Detach(found);
    names_.Touch(*old_folder);
    names_.Touch(*entry.folder);
    names_.Changed(*old_folder, inode->name);
    names_.tree().Move(inode, entry.folder, std::string(name));
    names_.MarkChanged(*inode);
    names_.Written(*inode, after);
  }
  EndMove(inode, after);
  return {};
}

// While a store moves the object it is under one of two keys, and who reads or opens the file must not miss it.
void Publisher::BeginMove(const InodePtr& inode) {
  bool open = false;
  {
    std::scoped_lock lock(names_.mutex());
    inode->moving = true;
    open = inode->handles > 0;
  }
  if (open) content_.ReaderOf(inode)->BeginMove();
}

void Publisher::EndMove(const InodePtr& inode, const store::ObjectInfo& now) {
  std::scoped_lock lock(names_.mutex());
  inode->moving = false;
  if (inode->reader != nullptr) inode->reader->Retarget(now.key, now.generation);
}

Outcome<std::vector<store::ObjectInfo>> Publisher::CopyAll(const std::vector<store::ObjectInfo>& objects,
                                                           const std::string& from, const std::string& to,
                                                           const CallContext& context) {
  std::vector<Result<store::ObjectInfo>> copies(objects.size(), base::Cancelled("an earlier copy failed"));
  std::atomic<bool> failed = false;
  exec::ParallelFor(pool_, objects.size(), [&](size_t i) {
    if (failed) return;
    const std::string key = to + objects[i].key.substr(from.size());
    store::CopyOptions options{.if_source_generation = objects[i].generation};
    if (auto metadata = WithTime(objects[i]); metadata != objects[i].metadata) options.metadata = std::move(metadata);
    copies[i] = store_.Copy(objects[i].key, key, options, context);
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
  exec::ParallelFor(pool_, made.size(),
                    [&](size_t i) { (void)store_.Delete(made[i].key, {.if_generation = made[i].generation}, {}); });
  return ToChangeFault(*error);
}

Outcome<void> Publisher::RenameFolder(const InodePtr& inode, const NewEntry& entry, std::string_view name,
                                      const CallContext& context) {
  std::string from;
  std::vector<InodePtr> below;
  InodePtr old_folder;
  {
    std::scoped_lock lock(names_.mutex());
    from = InodeTree::KeyOf(*inode);
    below = names_.tree().Subtree(inode);
    old_folder = inode->parent;
  }
  const std::string to = entry.folder_key + std::string(name) + "/";
  if (to.starts_with(from)) return Fault{EINVAL, "a folder cannot be moved into itself"};
  if (entry.existing != nullptr) SEAMOUNT_TRY(CheckEmpty(entry.existing, context));
  for (const InodePtr& each : below) {
    SEAMOUNT_TRY_ASSIGN(const auto commit, LockCommit(*each, context));
    SEAMOUNT_TRY(CommitInode(each, context));
  }
  SEAMOUNT_TRY(KeepFolder(inode, context));  // so that there is something to copy
  SEAMOUNT_TRY(KeepFolder(old_folder, context));
  SEAMOUNT_VFS_ASSIGN(const store::ListPage page, store::ListAll(store_, {.prefix = from}, context));
  for (const store::ObjectInfo& info : page.objects) {
    if (!store::CheckKey(to + info.key.substr(from.size()))) {
      return Fault{ENAMETOOLONG, "renaming '" + from + "': the key of '" + info.key + "' would be over 1024 bytes"};
    }
  }
  SEAMOUNT_TRY_ASSIGN(const std::vector<store::ObjectInfo> copies, CopyAll(page.objects, from, to, context));
  MoveFolder(inode, entry, name, copies);
  std::atomic<bool> left = false;
  exec::ParallelFor(pool_, page.objects.size(), [&](size_t i) {
    const auto deleted = store_.Delete(page.objects[i].key, {.if_generation = page.objects[i].generation}, {});
    if (!deleted) left = true;
  });
  if (left) return Fault{EIO, "'" + from + "' was copied to '" + to + "', but not all of the old folder is deleted"};
  return {};
}

// The tree's part, before the old objects go: who opens or reads a file meanwhile must find the copy.
void Publisher::MoveFolder(const InodePtr& inode, const NewEntry& entry, std::string_view name,
                           const std::vector<store::ObjectInfo>& copies) {
  std::unordered_map<std::string, const store::ObjectInfo*> by_key;
  for (const store::ObjectInfo& info : copies) by_key.emplace(info.key, &info);
  std::scoped_lock lock(names_.mutex());
  if (entry.existing != nullptr) {
    entry.existing->unlinked = true;  // who has it open may change its attributes, to no effect
    entry.existing->kept_dirty = false;
    names_.tree().Detach(entry.existing);
  }
  const InodePtr old_folder = inode->parent;
  const std::string old_name = inode->name;
  names_.Touch(*old_folder);
  names_.Touch(*entry.folder);
  names_.Changed(*old_folder, old_name);
  names_.Changed(*entry.folder, name);
  names_.tree().Move(inode, entry.folder, std::string(name));
  UnhideObject(old_folder, old_name);
  for (const InodePtr& each : names_.tree().Subtree(inode)) {
    const auto copy = by_key.find(InodeTree::KeyOf(*each));
    if (copy == by_key.end()) {
      if (each->kind == Kind::kDirectory) continue;  // has no marker
      names_.tree().Detach(each);                    // somebody else removed it before it was copied
      continue;
    }
    // What was written since it was copied goes up later, and its time with it.
    const bool written = each->staged != nullptr && each->staged->dirty();
    const KeptAttributes kept = each->kept;
    names_.SetInfo(*each, *copy->second);
    if (written) each->kept = kept;
    each->checked = names_.Now();
    if (each->reader != nullptr) each->reader->Retarget(copy->first, copy->second->generation);
  }
}

}  // namespace seamount::vfs
