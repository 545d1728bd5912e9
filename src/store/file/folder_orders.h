// Within store/file: the sorted names of large folders, kept from one page of a listing to the next, so that a listing
// of n names does not read and sort the folder n / 1000 times.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace seamount::store {

// A file or folder whose part of the key is known.
struct NamedEntry {
  std::string key;   // a folder's ends with '/'
  std::string path;  // relative to the directory
  bool folder = false;
};
using NamedEntries = std::shared_ptr<const std::vector<NamedEntry>>;

// What a folder's contents change.
struct FolderStamp {
  uint64_t inode = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  // Not changed in the last second before it was looked at: the next change will show in its times, coarse as they are.
  bool settled = false;
};

// Thread-safe.
class FolderOrders {
 public:
  // Null unless the folder is as it was.
  NamedEntries Find(const std::string& path, const FolderStamp& stamp);
  // Small folders, and those that are not settled, are not kept.
  void Keep(const std::string& path, const FolderStamp& stamp, const NamedEntries& entries);

 private:
  struct Order {
    std::string path;
    FolderStamp stamp;
    NamedEntries entries;
  };
  std::mutex mutex_;
  std::list<Order> orders_;  // the one used last at the front
};

}  // namespace seamount::store
