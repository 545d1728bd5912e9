#include "server/share_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/os_error.h"
#include "store/store.h"

namespace seamount::server {
namespace {

bool IsReadable(int folder, const std::string& name) {
  return faccessat(folder, name.c_str(), R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0 || errno != EACCES;
}

}  // namespace

std::vector<FolderId> ShareWalk::Within() const {
  std::vector<FolderId> within;
  for (const Frame& frame : frames_) within.push_back(frame.id);
  return within;
}

Result<std::optional<base::Fd>> ShareWalk::Open(const std::string& prefix, const std::vector<FolderId>& within,
                                                FolderId& id) {
  SEAMOUNT_TRY_ASSIGN(auto fd, share_.OpenFolder(prefix));
  struct stat status {};
  if (!fd || fstat(fd->get(), &status) != 0) return std::optional<base::Fd>();
  id = {status.st_dev, status.st_ino};
  if (std::find(within.begin(), within.end(), id) == within.end()) return fd;
  share_.LeaveOut(prefix, "it is a link to a folder that it lies in");
  return std::optional<base::Fd>();
}

// The first entry that may lead to names from `from_` on.
size_t ShareWalk::Start(const Frame& frame) const {
  if (!from_.starts_with(frame.prefix)) return from_ < frame.prefix ? 0 : frame.names->size();
  const std::string_view rest = std::string_view(from_).substr(frame.prefix.size());
  const size_t slash = rest.find('/');
  return frame.names->LowerBound(slash == std::string_view::npos ? rest : rest.substr(0, slash + 1));
}

Result<void> ShareWalk::Push(const std::string& prefix) {
  if (prefix.size() >= kMaxNameBytes) {
    share_.LeaveOut(prefix, "names in it are longer than an object's may be");
    return {};
  }
  Frame frame{.prefix = prefix, .fd = {}, .id = {}, .names = nullptr};
  SEAMOUNT_TRY_ASSIGN(auto fd, Open(prefix, Within(), frame.id));
  if (!fd) return {};
  frame.fd = *std::move(fd);
  SEAMOUNT_TRY_ASSIGN(frame.names, names_.Get(share_, frame.fd.get(), prefix));
  frame.next = Start(frame);
  frames_.push_back(std::move(frame));
  return {};
}

Result<void> ShareWalk::Begin(const std::string& prefix) {
  const size_t slash = prefix.rfind('/');
  return Push(slash == std::string::npos ? "" : prefix.substr(0, slash + 1));
}

void ShareWalk::Seek(std::string from) {
  from_ = std::move(from);
  while (!frames_.empty()) {
    Frame& top = frames_.back();
    top.next = std::max(top.next, Start(top));
    if (top.next < top.names->size()) return;
    frames_.pop_back();
  }
}

std::optional<ShareWalk::Entry> ShareWalk::Next() {
  while (!frames_.empty()) {
    Frame& top = frames_.back();
    if (top.next == top.names->size()) {
      frames_.pop_back();
      continue;
    }
    const FolderNames::Entry entry = top.names->at(top.next++);
    std::string key = top.prefix + std::string(entry.name);
    if (key.size() > kMaxNameBytes) {
      share_.LeaveOut(key, "its name is longer than an object's may be");
      continue;
    }
    return Entry{std::move(key), entry.is_folder, entry.is_link, top.fd.get(), std::string(entry.name)};
  }
  return std::nullopt;
}

Result<void> ShareWalk::Enter(const Entry& folder) { return Push(folder.key); }

Result<std::optional<FileIdentity>> ShareWalk::Look(const Entry& file) const {
  if (file.is_link) {
    SEAMOUNT_TRY_ASSIGN(const auto found, share_.Find(file.key));
    return found ? std::optional(found->identity) : std::nullopt;
  }
  struct stat status {};
  if (fstatat(file.folder_fd, file.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<FileIdentity>();
    if (errno != EACCES) return base::OsError(errno, "looking at", share_.bucket() + "/" + file.key);
    share_.LeaveOut(file.key, "this server may not look at it");
    return std::optional<FileIdentity>();
  }
  if (!S_ISREG(status.st_mode)) return std::optional<FileIdentity>();
  if (IsReadable(file.folder_fd, file.name)) return std::optional(IdentityOf(status));
  share_.LeaveOut(file.key, "this server may not read it");
  return std::optional<FileIdentity>();
}

Result<bool> ShareWalk::HasFile(const Entry& folder) {
  std::vector<FolderId> within = Within();
  return HasFile(folder.key, within);
}

Result<bool> ShareWalk::HasFile(const std::string& prefix, std::vector<FolderId>& within) {
  if (prefix.size() >= kMaxNameBytes) return false;
  std::vector<std::string> folders;
  bool found = false;
  FolderId id;
  {
    SEAMOUNT_TRY_ASSIGN(const auto fd, Open(prefix, within, id));
    if (!fd) return false;
    const auto visit = [&](const std::string& name, unsigned char type) -> Result<bool> {
      const std::string key = prefix + name;
      if (!store::CheckKey(key)) return true;
      auto kind = ShareFolder::Kind::kNothing;
      if (type == DT_LNK) {
        SEAMOUNT_TRY_ASSIGN(kind, share_.KindOfLink(key));
      } else if (type == DT_REG) {
        kind = ShareFolder::Kind::kFile;
      }
      if (type == DT_DIR || kind == ShareFolder::Kind::kFolder) folders.push_back(key + "/");
      if (kind != ShareFolder::Kind::kFile) return true;
      SEAMOUNT_TRY_ASSIGN(const auto file, Look({key, false, type == DT_LNK, fd->get(), name}));
      found = file.has_value();
      return !found;
    };
    SEAMOUNT_TRY(ForEachEntry(fd->get(), share_.bucket() + "/" + prefix, visit));
  }
  within.push_back(id);
  for (const std::string& inner : folders) {
    if (found) break;
    SEAMOUNT_TRY_ASSIGN(found, HasFile(inner, within));
  }
  within.pop_back();
  return found;
}

}  // namespace seamount::server
