// Within store/file: the directory of a file store, by system calls. Knows paths, not keys or conditions.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "store/file/file_options.h"
#include "store/file/file_record.h"
#include "store/file/folder_orders.h"
#include "store/generation.h"

namespace seamount::store {

using base::Fd;

struct OpenedFile {
  Fd fd;
  struct stat status;
  std::string path;   // as found, relative to the directory
  bool link = false;  // the path is a symbolic link, fd and status are what it leads to
};

struct FolderEntry {
  std::string name;
  bool folder = false;
  bool link = false;  // to a folder (not followed), or to nowhere
};

class FileFolder {
 public:
  FileFolder(std::string directory, const FileStoreOptions& options)
      : directory_(std::move(directory)), options_(options) {}

  const std::string& directory() const { return directory_; }
  // The directory and the store's own folder in it, made if need be.
  Result<void> Prepare();

  // The regular file at `path`, or the one of ours beside the folder of that name. Nothing if there is none. NotFound
  // when the directory itself does not exist; PermissionDenied for links that are not followed. `readable` false: only
  // what is said of it is wanted, so a file that may not be read is found too, without its record.
  Result<std::optional<OpenedFile>> Open(const std::string& path, bool readable = true);
  // What lies in a folder ("" is the directory), sorted by nothing; nothing at all where it is no folder. `each` may
  // end it with false.
  Result<void> ForEntries(const std::string& folder, const std::function<bool(FolderEntry entry)>& each);
  // As it is now; all zero where it cannot be had.
  FolderStamp StampOf(const std::string& folder);
  FolderOrders& orders() { return orders_; }
  // Whether everybody on the machine may read the file: it, and the folders it is in.
  bool IsPublic(const OpenedFile& file);

  // An empty temporary file; its path.
  Result<OpenedFile> MakeTemporary();
  // Writes the record and makes file and record durable.
  Result<void> Finish(OpenedFile& file, const FileRecord& record);
  std::optional<FileRecord> RecordOf(const OpenedFile& file);
  // Replaces the record, durably. Neither bytes nor modification time change.
  Result<void> WriteRecord(const OpenedFile& file, const FileRecord& record);

  // Held: nobody else holds the lock of that path. Cancelled or Unavailable by the context.
  Result<Fd> Lock(const std::string& path, const CallContext& context);
  // Two, in an order that all keep.
  Result<std::vector<Fd>> LockBoth(const std::string& path, const std::string& other, const CallContext& context);
  // Makes the folders above `path`; a file in the way is moved beside. Takes locks, so call it holding none.
  Result<void> MakeFolders(const std::string& path, const CallContext& context);
  // Renames a file, temporary or not, into place, lock held. False when a folder above is missing or a file:
  // MakeFolders, again.
  Result<bool> Place(const OpenedFile& file, const std::string& path);
  // Lock held. Removes the file, its record, and folders above that become empty.
  Result<void> Remove(const OpenedFile& file);
  // After a file at `path` has gone: makes that durable, and removes folders above that became empty.
  Result<void> LeaveFolderOf(const std::string& path);
  void RemoveTemporary(const OpenedFile& file);
  // Of a file that has gone. A record that another name leads to stays.
  void RemoveRecord(const OpenedFile& file);

 private:
  Result<int> Root();
  Result<Fd> LockNumber(size_t number, const CallContext& context);
  void RemoveStaleTemporaries(int root);
  Fd OpenFolder(const std::string& folder);
  Result<Fd> OpenLink(int folder, const std::string& name, const std::string& path, int flags);
  bool IsOurs(const OpenedFile& file);
  Result<void> RemoveBeside(const std::string& path);
  Result<void> MoveAside(const std::string& path, const CallContext& context);
  Result<void> SyncFolderOf(const std::string& path);
  Result<void> WriteSidecar(const std::string& path, std::string_view text);

  const std::string directory_;
  const FileStoreOptions options_;
  FolderOrders orders_;
  std::mutex mutex_;
  Fd root_;
  bool prepared_ = false;
};

// Inode and modification time, mixed.
Generation GenerationOf(const struct stat& status);
int64_t MtimeOf(const struct stat& status);

}  // namespace seamount::store
