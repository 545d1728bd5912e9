// A bucket as a file system: every call the kernel makes, in terms of inode numbers, names and bytes.
//
// How it works. The bucket is the truth; what is kept here is what the kernel was told (inodes), what was seen lately
// (for `attribute_ttl`), what is being read (ObjectReader) and what was written and is not yet uploaded (StagedFile).
// - Looking a name up asks the store for the object and, at once, for anything below "name/".
// - Opening asks the store whether the file is still the generation it was: close-to-open. If somebody replaced it, the
//   answer is ESTALE, and the kernel looks the name up again by itself and finds the new file.
// - Writing stages. fsync and close upload (commit.cc), on the condition that the object is still the generation that
//   writing began from. Success means durable in the bucket.
// - Renaming and removing change the bucket first and the tree after.
// docs/SEMANTICS.md lists what is promised.
//
// Locks, in the order in which they are taken. `layout_` is held shared by everything that changes the bucket and
// relies on where a key is meanwhile, and alone while a folder is renamed. An inode's `commit` is held while the
// bucket's copy of it is changed. `mutex_` guards the tree and is never held during I/O.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "store/store.h"
#include "vfs/attributes.h"
#include "vfs/fair_shared_mutex.h"
#include "vfs/fault.h"
#include "vfs/inode.h"
#include "vfs/object_reader.h"
#include "vfs/staging.h"
#include "vfs/stats.h"

namespace seamount::vfs {

struct FileSystemOptions {
  std::string staging_dir;
  uint64_t memory_bytes = 256 << 20;
  int threads = 64;
  bool read_only = false;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t file_permissions = 0644;
  uint32_t directory_permissions = 0755;
  // How long what the store said of a name is believed by lookup and stat. open never believes it.
  base::Duration attribute_ttl = std::chrono::seconds(1);
  base::Clock* clock = nullptr;  // the machine's if null
};

struct OpenOptions {
  bool read = true;
  bool write = false;
  bool truncate = false;
  bool exclusive = false;  // of Create: the object must not exist
};

// What a program asks for when it makes a file or folder: the mode, less its umask, and who it is.
struct Ownership {
  uint32_t permissions = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

struct AttributeChange {
  std::optional<uint64_t> size_bytes;
  std::optional<uint32_t> permissions;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<base::SystemTime> mtime;
  std::optional<base::SystemTime> atime;
};

struct DirectoryEntry {
  std::string name;
  Kind kind = Kind::kFile;
  store::ObjectInfo info;  // of a folder: its marker, if it has one
};

// While one lives, what is changed in a folder is remembered (Inode::changes), so that what the store was asked before
// cannot undo it. Made under the file system's mutex, destroyed without it.
class FolderWatch {
 public:
  FolderWatch(std::mutex& mutex, InodePtr folder) : mutex_(mutex), folder_(std::move(folder)) { ++folder_->watchers; }
  ~FolderWatch() {
    std::scoped_lock lock(mutex_);
    if (--folder_->watchers == 0) folder_->changes.clear();
  }
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;
  const InodePtr& folder() const { return folder_; }

 private:
  std::mutex& mutex_;
  const InodePtr folder_;
};

// A folder's entries as they were when it was opened. To be given up before the file system.
struct OpenDirectory {
  uint64_t inode = 0;
  uint64_t parent = 0;
  std::vector<DirectoryEntry> entries;  // in byte order, without "." and ".."
  std::string key;                      // the folder's, when it was listed
  Moment listed;
  bool walked = false;  // somebody has read on from its beginning
  std::unique_ptr<FolderWatch> watch;
};

struct OpenFile {
  InodePtr inode;
  OpenOptions options;
};

struct Created {
  Attributes attributes;
  std::unique_ptr<OpenFile> file;
};

// Thread-safe.
class FileSystem {
 public:
  static Result<std::unique_ptr<FileSystem>> Open(std::shared_ptr<Store> store, const FileSystemOptions& options);
  ~FileSystem();

  // Names. Every answered Attributes of Lookup, Create, Make… counts one lookup, to be given back by Forget.
  Outcome<Attributes> Lookup(uint64_t parent, std::string_view name);
  void Forget(uint64_t inode, uint64_t lookups);
  Outcome<Attributes> MakeDirectory(uint64_t parent, std::string_view name, const Ownership& owner);
  Outcome<Attributes> MakeSymlink(uint64_t parent, std::string_view name, std::string_view target,
                                  const Ownership& owner);
  Outcome<Attributes> MakeSpecial(uint64_t parent, std::string_view name, const Special& special,
                                  const Ownership& owner);
  Outcome<Created> Create(uint64_t parent, std::string_view name, const Ownership& owner, const OpenOptions& options);
  Outcome<void> Unlink(uint64_t parent, std::string_view name);
  Outcome<void> RemoveDirectory(uint64_t parent, std::string_view name);
  // replace: an existing target gives way.
  Outcome<void> Rename(uint64_t parent, std::string_view name, uint64_t new_parent, std::string_view new_name,
                       bool replace);

  // Attributes.
  Outcome<Attributes> Stat(uint64_t inode);
  // Durable on return. But what is being written through an open file goes up at its fsync or close, and takes changed
  // attributes with it; so does a size changed through a handle. ESTALE: somebody else replaced the file.
  Outcome<Attributes> Change(uint64_t inode, const AttributeChange& change, const OpenFile* handle);
  Outcome<std::string> ReadLink(uint64_t inode);

  // Folders.
  Outcome<std::unique_ptr<OpenDirectory>> OpenFolder(uint64_t inode);
  // Lists the folder anew (rewinddir).
  Outcome<void> Rewind(OpenDirectory& folder);
  // The attributes of an entry as Lookup would answer them, counted as a lookup; no I/O. Nothing if the entry was
  // changed since the folder was opened, so that the kernel must look it up.
  std::optional<Attributes> EntryAttributes(const OpenDirectory& folder, const DirectoryEntry& entry);

  // Files.
  Outcome<std::unique_ptr<OpenFile>> OpenExisting(uint64_t inode, const OpenOptions& options);
  Outcome<std::vector<Bytes>> Read(const OpenFile& file, uint64_t offset, uint64_t length);
  // append: at the file's end, whatever the offset.
  Outcome<void> Write(const OpenFile& file, uint64_t offset, std::span<const std::byte> data, bool append = false);
  // fsync and close: what was written is in the bucket, or the fault says that it is not.
  Outcome<void> Commit(const OpenFile& file);
  void Release(std::unique_ptr<OpenFile> file);

  // Before unmounting: uploads everything. The first fault, if any; what could not be uploaded is kept and logged.
  Outcome<void> CommitAll();

  Stats& stats() { return stats_; }
  uint64_t memory_peak_bytes() const;

 private:
  struct Found {
    Kind kind = Kind::kFile;
    store::ObjectInfo info;  // of a folder: its marker, if it has one
  };

  FileSystem(std::shared_ptr<Store> store, const FileSystemOptions& options);

  // file_system.cc
  Outcome<InodePtr> Existing(uint64_t number);
  Outcome<InodePtr> Folder(uint64_t number);
  // The same for callers that do not hold mutex_.
  Outcome<InodePtr> FindFolder(uint64_t number);
  Attributes AttributesOf(const Inode& inode) const;
  bool Fresh(const Inode& inode) const;
  // What the store has at a name: nothing, a folder, or an object.
  Outcome<std::optional<Found>> Probe(const std::string& parent_key, std::string_view name);
  // Now, later than all before. Under mutex_.
  Moment Now() { return {clock_.Now(), ++order_}; }
  // Makes the tree agree with what was found since `asked`; null if the name was changed here meanwhile, so that what
  // was found says nothing. Under mutex_.
  InodePtr Attach(const InodePtr& parent, std::string_view name, const Found& found, const Moment& asked);
  // A name of the folder was made, changed or removed here. Under mutex_.
  void Changed(Inode& folder, std::string_view name);
  // Something at or below the inode is not in the bucket yet. Under mutex_.
  bool HoldsDirty(const InodePtr& inode) const;
  void SetInfo(Inode& inode, const store::ObjectInfo& info);
  // The child as the tree or the store knows it; null if there is none. `lookups` are counted before anybody can forget
  // it. Without, the kernel may forget it at any time: callers then check IsAt before they use its key.
  Outcome<InodePtr> Resolve(const InodePtr& parent, std::string_view name, uint64_t lookups = 0);
  // Whether the inode has this name in this folder. Under mutex_.
  static bool IsAt(const Inode& inode, const InodePtr& folder, std::string_view name) {
    return !inode.gone && inode.parent == folder && inode.name == name;
  }
  Outcome<OpenDirectory> ListFolder(const InodePtr& folder);
  Outcome<void> CheckWritable() const;
  // Something of the inode was changed here: its ctime advances. Under mutex_, as the next.
  void MarkChanged(Inode& inode);
  // An entry of the folder came or went.
  void Touch(Inode& folder);

  // entries.cc
  struct NewEntry {
    InodePtr folder;
    std::string folder_key;
    InodePtr existing;  // what has the name now, or null
  };
  Outcome<void> CheckNew(const std::string& folder_key, std::string_view name);
  Outcome<NewEntry> PrepareNew(uint64_t parent, std::string_view name, uint64_t lookups = 0);
  KeptAttributes OwnedBy(const InodePtr& folder, Kind kind, const Ownership& owner);
  // Answers the inode with one lookup counted.
  Outcome<InodePtr> WriteNew(const NewEntry& entry, std::string_view name, Kind kind, const KeptAttributes& kept);
  Outcome<Attributes> Make(uint64_t parent, std::string_view name, Kind kind, KeptAttributes kept,
                           const Ownership& owner);
  Outcome<void> KeepFolder(const InodePtr& folder);
  void Park(const InodePtr& inode);
  void Unpark(const InodePtr& inode);
  void UnhideObject(const InodePtr& folder, std::string_view name);
  Outcome<void> CheckEmpty(const InodePtr& folder);
  void SweepReserved();

  // rename.cc
  Outcome<void> RenameFile(const InodePtr& inode, const NewEntry& entry, std::string_view name, bool replace);
  Outcome<void> RenameFolder(const InodePtr& inode, const NewEntry& entry, std::string_view name);
  Outcome<std::vector<store::ObjectInfo>> CopyAll(const std::vector<store::ObjectInfo>& objects,
                                                  const std::string& from, const std::string& to);
  void MoveFolder(const InodePtr& inode, const NewEntry& entry, std::string_view name,
                  const std::vector<store::ObjectInfo>& copies);

  // files.cc
  Outcome<void> Revalidate(const InodePtr& inode);
  std::shared_ptr<ObjectReader> ReaderOf(const InodePtr& inode);
  Outcome<std::shared_ptr<StagedFile>> Stage(const InodePtr& inode, bool empty);
  Outcome<void> Resize(const InodePtr& inode, uint64_t size_bytes);
  void Apply(Inode& inode, const AttributeChange& change);
  Outcome<void> CommitChange(const InodePtr& inode);

  // commit.cc; all under the inode's commit lock
  Outcome<void> CommitInode(const InodePtr& inode);
  Outcome<void> UploadContent(const InodePtr& inode, const std::string& key, StagedFile& staged);
  Outcome<void> UploadAttributes(const InodePtr& inode, const std::string& key);
  Result<store::ObjectInfo> UploadTail(const std::string& key, const StagedFile& staged, uint64_t from,
                                       const store::WriteOptions& options, store::Generation generation);
  void Abandon(const InodePtr& inode, const Fault& why);
  std::string ReservedKey();

  const FileSystemOptions options_;
  base::Clock& clock_;
  Stats stats_;
  const std::unique_ptr<Fetcher> fetcher_;
  Store& store_;
  StagingFolder staging_;
  const base::SystemTime mounted_;
  const uint64_t session_;  // random: names this mount's objects below the reserved prefix
  std::atomic<uint64_t> reserved_count_ = 0;
  FairSharedMutex layout_;
  mutable std::mutex mutex_;
  uint64_t order_ = 0;  // the last one handed out
  InodeTree tree_;
};

}  // namespace seamount::vfs
