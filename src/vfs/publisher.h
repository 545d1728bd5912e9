// Changes of the bucket: making, removing and renaming names, and bringing what was written there.
//
// How it works. Renaming and removing change the bucket first and the tree after. An upload is conditional on the
// generation that writing began from (commit.cc). docs/SEMANTICS.md lists what is promised.
//
// Locks, in the order in which they are taken: the path locks hold the keys that a change relies on, so that no folder
// on the way is renamed meanwhile; an inode's `commit` is held while the bucket's copy of it is changed; the
// namespace's mutex guards the tree and is never held during I/O.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exec/thread_pool.h"
#include "store/store.h"
#include "vfs/content.h"
#include "vfs/fault.h"
#include "vfs/namespace.h"
#include "vfs/path_locks.h"
#include "vfs/recorder.h"
#include "vfs/reserved_keys.h"
#include "vfs/staging.h"
#include "vfs/stats.h"

namespace seamount::vfs {

struct Created {
  Attributes attributes;
  std::unique_ptr<OpenFile> file;
};

// Thread-safe.
class Publisher {
 public:
  Publisher(Namespace& names, Content& content, Fetcher& fetcher, StagingFolder& staging, Recorder& recorder,
            base::Clock& clock, Stats& stats);

  // Every answered Attributes counts one lookup, to be given back by Forget.
  Outcome<Attributes> Make(uint64_t parent, std::string_view name, Kind kind, KeptAttributes kept,
                           const Ownership& owner, const CallContext& context);
  Outcome<Created> Create(uint64_t parent, std::string_view name, const Ownership& owner, const OpenOptions& options,
                          const CallContext& context);
  Outcome<void> Unlink(uint64_t parent, std::string_view name, const CallContext& context);
  Outcome<void> RemoveDirectory(uint64_t parent, std::string_view name, const CallContext& context);
  // replace: an existing target gives way.
  Outcome<void> Rename(uint64_t parent, std::string_view name, uint64_t new_parent, std::string_view new_name,
                       bool replace, const CallContext& context);

  // Durable on return. But what is being written through an open file goes up at its fsync or close, and takes changed
  // attributes with it; so does a size changed through a handle. ESTALE: somebody else replaced the file.
  Outcome<Attributes> Change(uint64_t inode, const AttributeChange& change, const OpenFile* handle,
                             const CallContext& context);
  // fsync and close: what was written is in the bucket, or the fault says that it is not. EINTR: not yet; it can be
  // tried again, and Release does.
  Outcome<void> Commit(const OpenFile& file, const CallContext& context);
  void Release(std::unique_ptr<OpenFile> file);
  // Before unmounting: uploads everything. The first fault, if any; what could not be uploaded is kept and logged.
  Outcome<void> CommitAll();
  // Removes what killed mounts left below the reserved prefix, in the background.
  void SweepReserved();
  Outcome<void> CheckWritable() const;
  // Under the inode's commit lock, after a write: what is written in one go is sent on while it comes.
  void SendAhead(StagedFile& staged);

 private:
  // publisher.cc
  // What a change is about: a name in a folder, or an inode where it is.
  struct Place {
    InodePtr folder;
    std::string name;
  };
  // Holds the keys of names, so that the folders stay where they are; alone: with all that is below them.
  Outcome<PathLocks::Lock> Hold(const std::vector<Place>& places, const CallContext& context, bool alone = false);
  // Holds the inode's key; nothing if it has none any more.
  Outcome<PathLocks::Lock> Hold(const InodePtr& inode, const CallContext& context);
  Outcome<InodePtr> FindFolder(uint64_t number) { return names_.FindFolder(number); }
  void Apply(Inode& inode, const AttributeChange& change);
  Outcome<void> CommitChange(const InodePtr& inode, const CallContext& context);

  // entries.cc
  struct NewEntry {
    InodePtr folder;
    std::string folder_key;
    InodePtr existing;  // what has the name now, or null
  };
  Outcome<void> CheckNew(const std::string& folder_key, std::string_view name);
  Outcome<NewEntry> PrepareNew(const InodePtr& folder, std::string_view name, const CallContext& context,
                               uint64_t lookups = 0);
  KeptAttributes OwnedBy(const InodePtr& folder, Kind kind, const Ownership& owner);
  // Answers the inode with one lookup counted.
  Outcome<InodePtr> WriteNew(const NewEntry& entry, std::string_view name, Kind kind, const KeptAttributes& kept,
                             const CallContext& context);
  Outcome<void> KeepFolder(const InodePtr& folder, const CallContext& context);
  void Park(const InodePtr& inode, const CallContext& context);
  void Unpark(const InodePtr& inode);
  void UnhideObject(const InodePtr& folder, std::string_view name);
  Outcome<void> CheckEmpty(const InodePtr& folder, const CallContext& context);

  // rename.cc
  Outcome<void> RenameFile(const InodePtr& inode, const InodePtr& old_folder, const NewEntry& entry,
                           std::string_view name, bool replace, const CallContext& context);
  void BeginMove(const InodePtr& inode);
  void EndMove(const InodePtr& inode, const store::ObjectInfo& now);
  Outcome<void> RenameFolder(const InodePtr& inode, const NewEntry& entry, std::string_view name,
                             const CallContext& context);
  Outcome<std::vector<store::ObjectInfo>> CopyAll(const std::vector<store::ObjectInfo>& objects,
                                                  const std::string& from, const std::string& to,
                                                  const CallContext& context);
  void MoveFolder(const InodePtr& inode, const NewEntry& entry, std::string_view name,
                  const std::vector<store::ObjectInfo>& copies);

  // commit.cc; all under the inode's commit lock
  Outcome<void> CommitInode(const InodePtr& inode, const CallContext& context);
  Outcome<void> UploadContent(const InodePtr& inode, const std::string& key, StagedFile& staged,
                              const CallContext& context);
  Outcome<void> UploadAttributes(const InodePtr& inode, const std::string& key, const CallContext& context);
  Result<store::ObjectInfo> WriteAttributes(const std::string& key, const store::ObjectInfo& before,
                                            const KeptAttributes& kept, const CallContext& context);
  Result<store::ObjectInfo> UploadTail(const std::string& key, const StagedFile& staged, uint64_t from,
                                       const store::WriteOptions& options, store::Generation generation,
                                       const CallContext& context);
  Result<store::ObjectInfo> CopyContent(const std::string& key, const ObjectReader& source,
                                        const store::WriteOptions& options, const CallContext& context);
  Result<store::ObjectInfo> UploadWhole(const std::string& key, StagedFile& staged, const store::WriteOptions& options,
                                        const CallContext& context);
  void Abandon(const InodePtr& inode, const Fault& why);
  // Of what will not be uploaded any more: also takes its name back, if that was only claimed.
  void GiveUp(const InodePtr& inode, const Fault& why);

  Namespace& names_;
  Content& content_;
  Fetcher& fetcher_;
  Store& store_;
  StagingFolder& staging_;
  Recorder& recorder_;
  base::Clock& clock_;
  Stats& stats_;
  ReservedKeys reserved_;
  PathLocks locks_;
  exec::ThreadPool pool_;     // for renames of folders and what is swept; last, as the next: their tasks use the rest
  exec::ThreadPool uploads_;  // for the parts of big files
};

}  // namespace seamount::vfs
