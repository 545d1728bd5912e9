// The names in shared folders, in the order of object names, and kept from one page of a listing to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/share_folder.h"

namespace seamount::server {

constexpr size_t kMaxNameBytes = 1024;  // of an object: see store::CheckKey

// Which folder it is, however it was reached.
struct FolderId {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FolderId&) const = default;
};

// What of one folder can be an object, or a part of an object's name: regular files, folders (their names end with
// '/', which is how they sort), and links to both.
class FolderNames {
 public:
  struct Entry {
    std::string_view name;
    bool is_folder = false;
    bool is_link = false;
  };
  size_t size() const { return entries_.size(); }
  Entry at(size_t index) const;
  // The first entry whose name is not less than `name`.
  size_t LowerBound(std::string_view name) const;
  size_t bytes() const { return text_.capacity() + entries_.capacity() * sizeof(Packed); }
  bool has_links() const { return has_links_; }

  // `fd`: the open folder, read from its start; `prefix`: of the names of what is in it.
  static Result<std::shared_ptr<const FolderNames>> Read(const ShareFolder& share, int fd, const std::string& prefix);

 private:
  struct Packed {
    uint64_t offset = 0;
    uint32_t size = 0;
    bool is_folder = false;
    bool is_link = false;
  };
  void Add(std::string_view name, bool is_folder, bool is_link);
  void Sort();
  std::string text_;
  std::vector<Packed> entries_;
  bool has_links_ = false;
};

// Thread-safe.
class NamesCache {
 public:
  // Of a folder that is open as `fd`. What is kept is used while the folder's times are the same; not kept are folders
  // that changed a moment ago, whose next change their times may not tell, and such with links, whose kinds they do
  // not.
  Result<std::shared_ptr<const FolderNames>> Get(const ShareFolder& share, int fd, const std::string& prefix);

 private:
  struct Kept {
    FileIdentity folder;
    std::shared_ptr<const FolderNames> names;
  };
  std::mutex mutex_;
  std::list<Kept> kept_;  // most recent first
  size_t bytes_ = 0;
};

// The entries of an open folder. `visit` says whether to go on.
Result<void> ForEachEntry(int fd, const std::string& what,
                          const std::function<Result<bool>(const std::string& name, unsigned char type)>& visit);

}  // namespace seamount::server
