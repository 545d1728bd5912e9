// The files and folders that the kernel knows, or that somebody has open.
//
// An inode is one lineage of contents at one name: it lives on through our own writes, renames and truncations. An
// object that somebody else replaced while it was open here is another file, with another inode number; so a handle and
// a memory map of the old one never see bytes of the new one. Where nobody had it open the number stays, and the kernel
// is told to drop the pages that it still has (`stale_pages`).
//
// The tree has no lock of its own: the namespace's mutex guards all of it, and every field of an inode but `commit`.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/store.h"
#include "vfs/attributes.h"
#include "vfs/object_reader.h"
#include "vfs/staged_file.h"

namespace seamount::vfs {

inline constexpr uint64_t kRootInode = 1;

// When something was learned or done: the time says how long it is believed, the order what came after what, also
// where the clock stood still. Orders are handed out under the namespace's mutex.
struct Moment {
  base::SteadyTime time;
  uint64_t order = 0;
};

struct Listing;
class WalkAhead;

struct Inode {
  uint64_t number = 0;
  Kind kind = Kind::kFile;
  std::string name;
  std::shared_ptr<Inode> parent;  // null: the root, or no longer in the tree
  std::map<std::string, std::shared_ptr<Inode>, std::less<>> children;
  // Of a folder, while somebody asks the store for entries of it or still holds what the store said: the names that
  // were made, changed or removed here since, with the order of the change. What was asked before says nothing of them.
  std::map<std::string, uint64_t, std::less<>> changes;
  int watchers = 0;
  // Of a folder, what the store last said of its names, and when somebody last read on in it: it counts as long as
  // that.
  std::shared_ptr<const Listing> listing;
  base::SteadyTime listing_read;
  std::vector<std::string> bounds;   // names that cut a long listing into stretches, to be asked for side by side
  std::shared_ptr<WalkAhead> ahead;  // of a folder whose files are being opened
  // Names asked for one after the other, and when the last was: a folder that is walked is worth a listing.
  uint32_t asked_names = 0;
  base::SteadyTime asked_at;
  uint64_t lookups = 0;  // references the kernel holds
  int handles = 0;
  bool opened = false;       // by some program, since the inode is known
  bool stale_pages = false;  // the kernel may have pages of a content that somebody else replaced
  bool gone = false;         // has no name any more: unlinked here, or removed or replaced by somebody else
  bool unlinked = false;     // here: what is written to it goes nowhere
  bool moving = false;       // a rename is under way: the store may have it under either name

  // The object, as last seen; a folder's is its marker. generation kAbsent: not in the bucket yet, or a folder without
  // a marker.
  store::ObjectInfo info;
  KeptAttributes kept;      // from the metadata, and changes not yet uploaded
  bool kept_dirty = false;  // kept differs from the object's metadata
  Moment checked;           // when the store was asked that last said so
  std::shared_ptr<ObjectReader> reader;
  std::shared_ptr<StagedFile> staged;
  // Of the empty object that O_EXCL made for what is being written, until some of that is in the bucket.
  store::Generation claimed;
  std::string parked_key;             // where the content of an unlinked file is while handles are open
  std::optional<Fault> upload_fault;  // of the last attempt, if nothing was written since
  bool saved = false;                 // what could not be uploaded has a name in the staging folder

  // What the bucket does not tell of: when something of it was changed here (an upload comes later, and is no change),
  // and of a folder, when an entry came or went. Forgotten with the inode.
  base::SystemTime changed = base::SystemTime::min();
  base::SystemTime filled = base::SystemTime::min();

  // Held while content, name or metadata are being changed in the bucket, and while something is written to `staged`.
  // Never taken while the namespace's mutex is held. Timed, so that who waits can be interrupted.
  std::timed_mutex commit;

  // What the bucket has is not what programs here see.
  bool dirty() const { return kept_dirty || (staged != nullptr && staged->dirty()); }
};

using InodePtr = std::shared_ptr<Inode>;

class InodeTree {
 public:
  InodeTree();
  ~InodeTree();  // parents and children hold each other: unties them
  InodeTree(const InodeTree&) = delete;
  InodeTree& operator=(const InodeTree&) = delete;
  const InodePtr& root() const { return root_; }
  InodePtr Find(uint64_t number) const;  // null if forgotten
  InodePtr Child(const InodePtr& parent, std::string_view name) const;
  InodePtr Add(const InodePtr& parent, std::string name, Kind kind);
  // Takes the inode out of its folder; it and all below it live on, as gone, for whoever holds them.
  void Detach(const InodePtr& inode);
  void Move(const InodePtr& inode, const InodePtr& parent, std::string name);
  // Drops what neither the kernel nor a handle refers to.
  void ReleaseIfUnused(const InodePtr& inode);
  // The inode and all below it.
  std::vector<InodePtr> Subtree(const InodePtr& inode) const;
  std::vector<InodePtr> All() const;
  // As many files as are too many, at most `at_once`: those known longest first, none that is open, being changed or
  // without a name. Each call goes on where the last one ended, all around.
  std::vector<InodePtr> Surplus(size_t most, size_t at_once);
  // Any thread may ask, without the namespace's mutex.
  size_t size() const { return size_; }

  // "" for the root, "a/b" for a file or link, "a/b/" for a folder. Only for what is in the tree.
  static std::string KeyOf(const Inode& inode);

 private:
  std::unordered_map<uint64_t, InodePtr> inodes_;
  std::atomic<size_t> size_ = 1;
  std::deque<uint64_t> turns_;  // the numbers in the order of Surplus; forgotten ones are in it for a while
  InodePtr root_;
  uint64_t next_number_ = kRootInode + 1;
};

}  // namespace seamount::vfs
