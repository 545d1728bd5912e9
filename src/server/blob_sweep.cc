// What a start does with contents that are nobody's: see blob_store.h.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "server/blob_store.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;

// The files in `folder` that are named as ours are.
Result<std::vector<std::string>> ContentIds(const std::string& folder) {
  std::vector<std::string> ids;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    std::string name = it->path().filename().string();
    if (IsContentId(name) && fs::is_regular_file(it->symlink_status(ignored))) ids.push_back(std::move(name));
  }
  if (error) return FromErrno("sweeping " + folder, error.value());
  return ids;
}

}  // namespace

Result<void> BlobStore::PutAside(const std::string& path, const std::string& id) {
  if (::rename(path.c_str(), QuarantinePath(id).c_str()) != 0) return FromErrno("putting aside " + path, errno);
  return {};
}

Result<bool> BlobStore::TakeBack(const std::string& id) {
  if (::access(BlobPath(id).c_str(), F_OK) == 0) return false;
  if (::rename(QuarantinePath(id).c_str(), BlobPath(id).c_str()) != 0)
    return FromErrno("moving back " + QuarantinePath(id), errno);
  SEAMOUNT_TRY(SyncDirectory(directory_ + "/blobs/" + id.substr(0, 2)));
  return true;
}

Result<BlobStore::Swept> BlobStore::Sweep(const std::function<bool(const std::string&)>& is_live) {
  Swept swept;
  SEAMOUNT_TRY_ASSIGN(const auto unfinished, ContentIds(directory_ + "/tmp"));
  for (const std::string& id : unfinished) {
    if (is_live(id)) {
      Confirm(id);
    } else {
      Remove(id);
      ++swept.removed;
    }
  }
  SEAMOUNT_TRY_ASSIGN(const auto aside, ContentIds(directory_ + "/quarantine"));
  for (const std::string& id : aside) {
    if (!is_live(id)) continue;
    SEAMOUNT_TRY_ASSIGN(const bool moved, TakeBack(id));
    if (moved) ++swept.moved_back;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  for (char high : kHex) {
    for (char low : kHex) {
      SEAMOUNT_TRY_ASSIGN(const auto ids, ContentIds(directory_ + "/blobs/" + high + low));
      for (const std::string& id : ids) {
        if (id[0] != high || id[1] != low || is_live(id)) continue;
        SEAMOUNT_TRY(PutAside(BlobPath(id), id));
        ++swept.put_aside;
      }
    }
  }
  return swept;
}

Result<BlobStore::Swept> BlobStore::SweepUploads(const std::function<Fate(const std::string&)>& fate_of) {
  Swept swept;
  SEAMOUNT_TRY_ASSIGN(const auto ids, ContentIds(directory_ + "/uploads"));
  for (const std::string& id : ids) {
    const Fate fate = fate_of(id);
    if (fate == Fate::kKept) continue;
    struct stat info {};
    const bool empty = ::stat(UploadPath(id).c_str(), &info) == 0 && info.st_size == 0;
    if (fate == Fate::kEnded || empty) {
      RemoveUpload(id);
      ++swept.removed;
    } else {
      SEAMOUNT_TRY(PutAside(UploadPath(id), id));
      ++swept.put_aside;
    }
  }
  return swept;
}

}  // namespace seamount::server
