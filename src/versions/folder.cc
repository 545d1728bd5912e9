#include "versions/folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/fd.h"
#include "base/os_error.h"
#include "store/byte_source.h"
#include "store/store.h"
#include "versions/chunker.h"

namespace seamount::versions {
namespace {

namespace fs = std::filesystem;

// Read at once; chunks share it.
constexpr uint64_t kSegment = 32 << 20;
static_assert(kSegment >= kMaxChunk);

Result<void> Take(const fs::directory_entry& entry, const std::string& path, Manifest& out) {
  std::error_code error;
  const fs::file_status status = entry.symlink_status(error);
  if (error) return base::OsError(error.value(), "reading", entry.path().string());
  if (fs::is_symlink(status)) {
    const fs::path target = fs::read_symlink(entry.path(), error);
    if (error) return base::OsError(error.value(), "reading the link", entry.path().string());
    out.links.push_back({path, target.string()});
  } else if (fs::is_regular_file(status)) {
    const bool executable = (status.permissions() & fs::perms::owner_exec) != fs::perms::none;
    out.files.push_back({.path = path, .size = entry.file_size(error), .executable = executable});
    if (error) return base::OsError(error.value(), "reading", entry.path().string());
  } else if (fs::is_directory(status)) {
    if (fs::is_empty(entry.path(), error)) out.folders.push_back(path);
    if (error) return base::OsError(error.value(), "reading", entry.path().string());
  } else {
    return base::InvalidArgument("'" + entry.path().string() +
                                 "' is neither a file nor a folder nor a link: a version cannot hold it");
  }
  return {};
}

// What tells that somebody writes to the file.
bool SameState(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

Error Changed(const std::string& path) {
  return base::PreconditionFailed("'" + path + "' changed while it was read: save it when nobody writes to it");
}

}  // namespace

Result<Manifest> ListFolder(const std::string& root) {
  std::error_code error;
  if (!fs::is_directory(root, error)) return base::InvalidArgument("'" + root + "' is no folder");
  Manifest out;
  fs::recursive_directory_iterator at(root, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    SEAMOUNT_TRY(Take(*at, at->path().lexically_relative(root).generic_string(), out));
  }
  if (error) return base::OsError(error.value(), "reading the folder", root);
  const auto by_path = [](const auto& a, const auto& b) { return a.path < b.path; };
  std::sort(out.files.begin(), out.files.end(), by_path);
  std::sort(out.links.begin(), out.links.end(), by_path);
  std::sort(out.folders.begin(), out.folders.end());
  if (auto paths = CheckPaths(out); !paths) return paths.error().Wrap("'" + root + "'");
  return out;
}

Result<void> ReadChunks(const std::string& root, File& file, const std::function<Result<void>(Bytes)>& take,
                        const CallContext& context) {
  const std::string path = root + "/" + file.path;
  const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return base::OsError(errno, "reading", path);
  struct stat before {};
  if (::fstat(fd.get(), &before) != 0) return base::OsError(errno, "reading", path);
  (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  file.size = static_cast<uint64_t>(before.st_size);
  const store::FileSource source(fd.get(), 0, file.size);
  Bytes rest;  // read, and not yet cut
  for (uint64_t at = 0; at < file.size || !rest.empty();) {
    SEAMOUNT_TRY(store::CheckContext(context));
    const uint64_t more = std::min<uint64_t>(kSegment, file.size - at);
    Buffer segment(rest.size() + more);
    if (!rest.empty()) std::memcpy(segment.data(), rest.data(), rest.size());
    const auto read = source.ReadAt(at, segment.span().subspan(rest.size()));
    if (!read && read.error().code() == ErrorCode::kDataLoss) return Changed(path);  // it has become shorter
    if (!read) return read.error().Wrap("'" + path + "'");
    at += more;
    rest = std::move(segment);
    while (rest.size() >= kMaxChunk || (at == file.size && !rest.empty())) {
      const size_t size = FirstChunk(rest.span());
      SEAMOUNT_TRY(take(rest.Slice(0, size)));
      rest = rest.Slice(size, rest.size() - size);
    }
  }
  struct stat after {};
  if (::fstat(fd.get(), &after) != 0) return base::OsError(errno, "reading", path);
  if (!SameState(before, after)) return Changed(path);
  return {};
}

}  // namespace seamount::versions
