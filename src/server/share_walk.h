// A walk over the names in a shared folder in the order of object names: byte by byte of the whole name, in which
// "a.txt" comes before "a/b". Only the folders on the way from the top to where it is are held.
//
// A folder that lies in itself, through a link, is not entered again.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "server/share_folder.h"
#include "server/share_names.h"

namespace seamount::server {

// Used by one thread.
class ShareWalk {
 public:
  struct Entry {
    std::string key;  // ends with '/' of a folder
    bool is_folder = false;
    bool is_link = false;
    int folder_fd = -1;  // of the folder that it is in, until the next call of Next or Seek
    std::string name;    // in that folder
  };

  ShareWalk(const ShareFolder& share, NamesCache& names) : share_(share), names_(names) {}
  // Begins with the folder of the names with this prefix: "a/b/" of "a/b/c".
  Result<void> Begin(const std::string& prefix);
  // Goes on with names from `from` on, which is not less than what it was told before.
  void Seek(std::string from);
  // The next file, or folder in which there may be such names; the names in it follow if it is entered.
  std::optional<Entry> Next();
  Result<void> Enter(const Entry& folder);
  // Whether any file that is served lies in it, however deep. Reads no more of it than it must.
  Result<bool> HasFile(const Entry& folder);
  // Whether the file is there, regular and readable; and what it is now.
  Result<std::optional<FileIdentity>> Look(const Entry& file) const;

 private:
  struct Frame {
    std::string prefix;
    base::Fd fd;
    FolderId id;
    std::shared_ptr<const FolderNames> names;
    size_t next = 0;
  };
  // nullopt: it is not served, or lies in itself.
  Result<std::optional<base::Fd>> Open(const std::string& prefix, const std::vector<FolderId>& within, FolderId& id);
  Result<bool> HasFile(const std::string& prefix, std::vector<FolderId>& within);
  Result<void> Push(const std::string& prefix);
  std::vector<FolderId> Within() const;
  size_t Start(const Frame& frame) const;

  const ShareFolder& share_;
  NamesCache& names_;
  std::string from_;
  std::vector<Frame> frames_;
};

}  // namespace seamount::server
