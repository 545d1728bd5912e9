// The names of a mount: what the kernel was told, and how fresh it is.
//
// How it works. The bucket is the truth. An inode is kept for every name that the kernel knows or that somebody has
// open, with what the store last said of it, believed for `attribute_ttl`. Looking a name up asks the store for the
// object and, at once, for anything below "name/". A folder of which several names are looked up one after the other is
// listed instead, and the listing answers for the names that it holds; where most are not there, also for the others.
//
// What is changed here comes in at once (SetInfo, Changed), and what the store was asked before never undoes it: every
// question has an order, and so has every change.
//
// One mutex guards the tree and all fields of its inodes. It is never held during I/O. Functions marked [locked] are
// called with it, all others without.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "exec/thread_pool.h"
#include "store/store.h"
#include "vfs/fault.h"
#include "vfs/inode.h"
#include "vfs/list_ahead.h"
#include "vfs/listing.h"
#include "vfs/options.h"

namespace seamount::vfs {

// An inode's commit lock. EINTR when stop is requested while another thread holds it.
Outcome<std::unique_lock<std::timed_mutex>> LockCommit(Inode& inode, const CallContext& context);

// Thread-safe.
class Namespace {
 public:
  // What the store has at a name: a folder, or an object.
  struct Found {
    Kind kind = Kind::kFile;
    store::ObjectInfo info;  // of a folder: its marker, if it has one
  };

  Namespace(ListAhead& store, const FileSystemOptions& options, base::Clock& clock);

  // Every answered Attributes of Lookup counts one lookup, to be given back by Forget.
  Outcome<Attributes> Lookup(uint64_t parent, std::string_view name, const CallContext& context);
  void Forget(uint64_t inode, uint64_t lookups);
  Outcome<Attributes> Stat(uint64_t inode, const CallContext& context);
  Outcome<std::string> ReadLink(uint64_t inode);

  Outcome<std::unique_ptr<OpenDirectory>> OpenFolder(uint64_t inode, const CallContext& context);
  // Nothing was changed here in the folder since it was listed, and names of then are still believed.
  bool IsCurrent(const OpenDirectory& folder);
  // Lists the folder anew (rewinddir).
  Outcome<void> Rewind(OpenDirectory& folder, const CallContext& context);
  // The attributes of an entry as Lookup would answer them, counted as a lookup; no I/O. Nothing if the entry was
  // changed since the folder was opened, so that the kernel must look it up.
  std::optional<Attributes> EntryAttributes(const OpenDirectory& folder, const DirectoryEntry& entry);

  // Names of files beyond `most_names`, at most so many: the kernel need not know them any longer. None are
  // folders: to make the kernel forget one ends mounts below it.
  struct Name {
    uint64_t folder = 0;
    std::string name;
  };
  std::vector<Name> SurplusNames(size_t at_once);
  bool HasSurplusNames() const { return tree_.size() > options_.most_names; }
  size_t known_names() const { return tree_.size(); }

  // The child as the tree or the store knows it; null if there is none. `lookups` are counted before anybody can forget
  // it. Without, the kernel may forget it at any time: callers then check IsAt before they use its key.
  Outcome<InodePtr> Resolve(const InodePtr& parent, std::string_view name, const CallContext& context,
                            uint64_t lookups = 0);
  // Asks the store whether the inode is still what the bucket has. ESTALE if it is not: the kernel then looks the name
  // up again.
  Outcome<void> Revalidate(const InodePtr& inode, const CallContext& context);
  Outcome<InodePtr> FindFolder(uint64_t number);

  std::mutex& mutex() { return mutex_; }
  InodeTree& tree() { return tree_; }                    // [locked]
  Outcome<InodePtr> Existing(uint64_t number);           // [locked] ESTALE if forgotten
  Outcome<InodePtr> Folder(uint64_t number);             // [locked]
  Attributes AttributesOf(const Inode& inode) const;     // [locked]
  bool HoldsDirty(const InodePtr& inode) const;          // [locked] it or something below is not in the bucket yet
  Moment Now() { return {clock_.Now(), ++order_}; }      // [locked] later than all before
  void SetInfo(Inode& inode, const store::ObjectInfo&);  // [locked] the store said so; `checked` is the caller's
  void MarkChanged(Inode& inode);                        // [locked] changed here: its ctime advances
  void Touch(Inode& folder);                             // [locked] an entry came or went
  void Changed(Inode& folder, std::string_view name);    // [locked] the name was made, changed or removed here
  // [locked] An object was written at the inode's name: what it is now, as of now.
  void Written(Inode& inode, const store::ObjectInfo& info);
  // [locked] Makes the tree agree with what was found since `asked`; null if the name was changed here meanwhile, so
  // that what was found says nothing.
  InodePtr Attach(const InodePtr& parent, std::string_view name, const Found& found, const Moment& asked);
  // [locked] Whether the inode has this name in this folder.
  static bool IsAt(const Inode& inode, const InodePtr& folder, std::string_view name) {
    return !inode.gone && inode.parent == folder && inode.name == name;
  }
  // [locked] What the store said of the folder's names, if that still counts.
  std::shared_ptr<const Listing> FreshListing(const InodePtr& folder) const;
  const FileSystemOptions& options() const { return options_; }

 private:
  bool Fresh(const Inode& inode) const;
  bool Fresh(const Inode& folder, const Listing& listing) const;
  Outcome<std::optional<Found>> Probe(const std::string& parent_key, std::string_view name, const CallContext& context);
  Result<ListAhead::Told> ListWhole(const std::string& folder_key, const CallContext& context);
  Result<store::ListPage> ListStretches(const std::string& folder_key, const std::vector<std::string>& bounds,
                                        const CallContext& context);
  Outcome<OpenDirectory> List(const InodePtr& folder, const CallContext& context);
  Outcome<std::shared_ptr<const Listing>> ListFrom(const std::string& folder_key, std::string_view name,
                                                   const Moment& now, const CallContext& context);
  void Remember(const InodePtr& folder, std::shared_ptr<const Listing> listing);
  void ForgetListing(Inode& folder);
  bool WorthListing(Inode& folder);
  bool Searching() const;
  // What the folder's listing says of a name: nothing at all, that it is absent (null), or the child.
  std::optional<InodePtr> FromListing(const InodePtr& folder, std::string_view name);
  bool Renew(Inode& inode, const store::ObjectInfo& info);
  Outcome<bool> AskAgain(const InodePtr& inode, const CallContext& context);
  InodePtr Absent(const InodePtr& folder, std::string_view name, const Moment& asked);

  const FileSystemOptions options_;
  base::Clock& clock_;
  ListAhead& store_;
  const base::SystemTime mounted_;
  std::mutex mutex_;
  uint64_t order_ = 0;  // the last one handed out
  InodeTree tree_;
  // Different names that were looked up and are not there, each soon after the other: a program that searches, or makes
  // files. Only for those is a listing believed that says nothing of a name.
  uint32_t absent_streak_ = 0;
  std::string last_absent_;
  base::SteadyTime absent_at_;
  std::list<std::weak_ptr<Inode>> listed_;  // folders that have a listing, the oldest first
  exec::ThreadPool pool_;                   // for the second question of a lookup; last: its tasks use the rest
};

}  // namespace seamount::vfs
