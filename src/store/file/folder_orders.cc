#include "store/file/folder_orders.h"

#include <algorithm>

namespace seamount::store {
namespace {

// Fewer are read again faster than they are looked up.
constexpr size_t kFewest = 1000;
// About 200 MB of names.
constexpr size_t kMostEntries = 1'000'000;
constexpr size_t kMostFolders = 8;

bool Same(const FolderStamp& a, const FolderStamp& b) {
  return a.inode == b.inode && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns;
}

}  // namespace

NamedEntries FolderOrders::Find(const std::string& path, const FolderStamp& stamp) {
  std::scoped_lock lock(mutex_);
  const auto it = std::find_if(orders_.begin(), orders_.end(), [&](const Order& order) { return order.path == path; });
  if (it == orders_.end() || !Same(it->stamp, stamp)) return nullptr;
  orders_.splice(orders_.begin(), orders_, it);
  return it->entries;
}

void FolderOrders::Keep(const std::string& path, const FolderStamp& stamp, const NamedEntries& entries) {
  if (!stamp.settled || entries->size() < kFewest || entries->size() > kMostEntries) return;
  std::scoped_lock lock(mutex_);
  std::erase_if(orders_, [&](const Order& order) { return order.path == path; });
  orders_.push_front({path, stamp, entries});
  size_t total = 0;
  size_t folders = 0;
  for (auto it = orders_.begin(); it != orders_.end();) {
    total += it->entries->size();
    it = total > kMostEntries || ++folders > kMostFolders ? orders_.erase(it) : std::next(it);
  }
}

}  // namespace seamount::store
