// What a store said of the entries of a folder.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"
#include "vfs/inode.h"

namespace seamount::vfs {

struct DirectoryEntry {
  std::string name;
  Kind kind = Kind::kFile;
  std::shared_ptr<const store::ObjectInfo> told;  // held by everybody who has the entry; never null

  const store::ObjectInfo& info() const { return *told; }  // of a folder: its marker, if it has one
};

// A stretch of a folder's names, whole: what is not in it is not there. Never changed once made.
struct Listing {
  std::string key;                      // the folder's, when it was asked
  Moment asked;                         // before its first page
  base::Duration age{};                 // so old it was when it was given: it was asked for ahead (list_ahead.h)
  std::string from;                     // the first name that was asked for
  std::optional<std::string> last;      // the last key or prefix that was told, less the folder's; absent: all were
  std::vector<DirectoryEntry> entries;  // in byte order of names, without "." and ".."
  base::SystemTime newest;              // when the youngest object among them was written

  void Hold(std::vector<DirectoryEntry> found);  // makes those the entries
  // Whether a name that is not among the entries is not there.
  bool SpeaksOf(std::string_view name) const;
  const DirectoryEntry* Find(std::string_view name) const;
};

// The entries of pages that were listed below a folder with the delimiter "/", markers as `info` of their folder. An
// object that a folder of its name hides gets the mark of one.
std::vector<DirectoryEntry> EntriesOf(const std::string& folder_key, store::ListPage&& page);

// While one lives, what is changed in a folder is remembered (Inode::changes), so that what the store was asked before
// cannot undo it. Made under the namespace's mutex, destroyed without it.
class FolderWatch {
 public:
  FolderWatch(std::mutex& mutex, InodePtr folder) : mutex_(mutex), folder_(std::move(folder)) { Begin(*folder_); }
  ~FolderWatch() {
    std::scoped_lock lock(mutex_);
    End(*folder_);
  }
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;
  const InodePtr& folder() const { return folder_; }

  // The same by hand, under the mutex.
  static void Begin(Inode& folder) { ++folder.watchers; }
  static void End(Inode& folder) {
    if (--folder.watchers == 0) folder.changes.clear();
  }

 private:
  std::mutex& mutex_;
  const InodePtr folder_;
};

// A folder that a program has open: its entries as they were when it was opened. To be given up before the file system.
struct OpenDirectory {
  uint64_t inode = 0;
  uint64_t parent = 0;
  std::vector<DirectoryEntry> entries;     // in byte order, what was made or removed here meanwhile included
  std::shared_ptr<const Listing> listing;  // what the store said
  base::SteadyTime listed;                 // when it had said so: a long folder may take longer than names are believed
  bool walked = false;                     // somebody has read on from its beginning
  std::unique_ptr<FolderWatch> watch;
};

}  // namespace seamount::vfs
