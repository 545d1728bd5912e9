#include "server/served_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "server/catalog_schema.h"
#include "server/sqlite.h"

namespace seamount::server {
namespace {

// Of what a person has named: that it is no folder, or cannot be one, is theirs to correct.
Error CannotServe(const std::string& doing, int error) {
  const std::string message = doing + ": " + std::strerror(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EROFS:
      return base::InvalidArgument(message + " (expected an empty folder, one that can be made, or a server's)");
    case EACCES:
    case EPERM: return base::PermissionDenied(message);
    default: return FromErrno(doing, error);
  }
}

namespace fs = std::filesystem;

constexpr std::string_view kContentFolders[] = {"blobs", "quarantine", "tmp", "uploads"};

bool IsContentFolder(std::string_view name) {
  return std::find(std::begin(kContentFolders), std::end(kContentFolders), name) != std::end(kContentFolders);
}

// What a first start that was killed may have left beside empty folders; and what a new file system has.
bool IsLeftover(const fs::directory_entry& entry, const std::string& name) {
  if (name == "lost+found") return true;
  std::error_code error;
  return entry.is_regular_file(error) &&
         (name == "lock" || name == "reserve" || name.starts_with("catalog.db") || name.starts_with("share-sums.db"));
}

// As far as its header tells (https://www.sqlite.org/fileformat.html): SQLite itself needs room on the disk to look.
bool SaysItIsOurs(const std::string& path) {
  constexpr off_t kAt = 68;
  const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<unsigned char, 4> id{};
  if (!file || ::pread(file.get(), id.data(), id.size(), kAt) != static_cast<ssize_t>(id.size())) return false;
  return (uint32_t{id[0]} << 24 | uint32_t{id[1]} << 16 | uint32_t{id[2]} << 8 | id[3]) == kApplicationId;
}

// An empty file is a catalog that was cut off, or one that a first start was about to make.
Result<bool> HasCatalog(const std::string& directory) {
  const std::string path = directory + "/catalog.db";
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return FromErrno("looking for " + path, errno);
  }
  if (!S_ISREG(info.st_mode) || info.st_size == 0) return false;
  if (SaysItIsOurs(path)) return true;
  SEAMOUNT_TRY_ASSIGN(const auto connection, Connection::Open(path, true));
  SEAMOUNT_TRY_ASSIGN(Query query, connection->Prepare("SELECT count(*), total(name = 'meta') FROM sqlite_master"));
  SEAMOUNT_TRY(query.Step());
  if (query.Integer(0) == 0) return false;
  if (query.Integer(1) > 0) return true;
  return base::InvalidArgument(path + ": a database of another program: give an empty or a new folder");
}

struct Contents {
  std::vector<std::string> foreign;  // names in the folder, sorted
  uint64_t ours = 0;                 // files named as the server names contents
  bool admin_key = false;
};

Result<Contents> LookInto(const std::string& directory) {
  Contents found;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name == "admin-key.json") {
      found.admin_key = true;
    } else if (IsContentFolder(name) && it->is_directory(ignored) && !it->is_symlink(ignored)) {
      for (fs::recursive_directory_iterator in(*it, error), done; !error && in != done; in.increment(error)) {
        const std::string file = in->path().filename().string();
        if (in->is_directory(ignored) && !in->is_symlink(ignored)) continue;
        if (IsContentId(file)) {
          ++found.ours;
        } else {
          found.foreign.push_back(in->path().lexically_relative(directory).string());
        }
      }
    } else if (!IsLeftover(*it, name)) {
      found.foreign.push_back(name);
    }
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return CannotServe("looking into folder " + directory, error.value());
  std::sort(found.foreign.begin(), found.foreign.end());
  return found;
}

std::string FirstOf(const std::vector<std::string>& names) {
  std::string text = "'" + names.front() + "'";
  if (names.size() > 1) text += " and " + std::to_string(names.size() - 1) + " more";
  return text;
}

}  // namespace

Result<void> CheckFolder(const std::string& directory) {
  SEAMOUNT_TRY_ASSIGN(const bool has_catalog, HasCatalog(directory));
  if (has_catalog) return {};
  SEAMOUNT_TRY_ASSIGN(const Contents contents, LookInto(directory));
  if (contents.ours > 0 || contents.admin_key)
    return base::DataLoss(
        "folder " + directory + ": its catalog (catalog.db) is missing or empty, but there are " +
        std::to_string(contents.ours) +
        " contents of objects and the keys of its clients; nothing was changed. Put the catalog back, "
        "with its catalog.db-wal where there is one. Without it, 'seamount fsck " +
        directory +
        " --repair --restore-to BUCKET' makes objects of what is in blobs/; or give another folder to begin anew");
  if (!contents.foreign.empty())
    return base::InvalidArgument("folder " + directory + " is not empty (" + FirstOf(contents.foreign) +
                                 ") and no server's: nothing in it was changed. A server keeps objects in a folder of "
                                 "its own: give an empty or a new one (and to serve the files that are here as they "
                                 "are, 'seamount serve NEW-FOLDER --share NAME=" +
                                 directory + "')");
  return {};
}

Result<base::Fd> LockFolder(const std::string& directory) {
  std::error_code error;
  const bool made = fs::create_directories(directory, error);
  if (error) return CannotServe("making folder " + directory, error.value());
  // A folder that was there keeps its mode; what is secret in it has a mode of its own.
  if (made && ::chmod(directory.c_str(), 0700) != 0)
    return FromErrno("changing the mode of folder " + directory, errno);
  base::Fd lock(::open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return FromErrno("opening " + directory + "/lock", errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FromErrno("locking " + directory + "/lock", errno);
    return base::PreconditionFailed("folder " + directory + ": another server is running on it (end that one first)");
  }
  return lock;
}

}  // namespace seamount::server
