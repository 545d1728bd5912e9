#include "server/fsck.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/bytes.h"
#include "base/checksum.h"
#include "server/blob_store.h"
#include "server/block_sums.h"
#include "server/catalog.h"
#include "server/catalog_schema.h"
#include "server/served_folder.h"
#include "server/sqlite.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;

class Checker {
 public:
  Checker(std::string directory, Connection& catalog, FolderCheck& found,
          const std::function<void(const std::string&)>& say)
      : directory_(std::move(directory)), catalog_(catalog), found_(found), say_(say) {}

  Result<void> Objects(const std::function<Result<void>(const FolderCheck&)>& progress) {
    SEAMOUNT_TRY_ASSIGN(Query query,
                        catalog_.Prepare("SELECT b.name, o.name, o.size, o.crc32c, o.content FROM objects o "
                                         "JOIN buckets b ON b.id = o.bucket ORDER BY o.bucket, o.name"));
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
      if (!row) return {};
      const auto size = static_cast<uint64_t>(query.Integer(2));
      const std::string what = "object '" + query.Text(0) + "/" + query.Text(1) + "'";
      if (const auto good = Object(what, size, static_cast<uint32_t>(query.Integer(3)), query.Text(4)); !good) {
        ++found_.damaged;
        say_(good.error().message());
      }
      ++found_.objects;
      found_.bytes += size;
      SEAMOUNT_TRY(progress(found_));
    }
  }

  // Contents that nothing names.
  Result<void> Strangers() {
    SEAMOUNT_TRY_ASSIGN(Query query, catalog_.Prepare("SELECT blob FROM parts UNION ALL SELECT id FROM garbage"));
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
      if (!row) break;
      named_.insert(query.Text(0));
    }
    std::error_code error;
    for (fs::recursive_directory_iterator it(directory_ + "/blobs", error), end; !error && it != end;
         it.increment(error)) {
      const std::string id = it->path().filename().string();
      const bool unfinished = ::access((directory_ + "/tmp/" + id).c_str(), F_OK) == 0;
      if (IsContentId(id) && !named_.contains(id) && !unfinished) ++found_.unknown;
    }
    for (fs::directory_iterator it(directory_ + "/quarantine", error), end; !error && it != end; it.increment(error))
      if (IsContentId(it->path().filename().string())) ++found_.quarantined;
    return {};
  }

 private:
  Result<void> Object(const std::string& what, uint64_t size, uint32_t crc32c, const std::string& text) {
    SEAMOUNT_TRY_ASSIGN(const auto content, ContentFromText(text, size));
    uint32_t whole = 0;
    for (const Extent& extent : content) {
      named_.insert(extent.blob);
      auto sum = IsSmallId(extent.blob) ? Small(what, extent) : File(what, extent);
      if (!sum) return std::move(sum).error();
      whole = base::Crc32cCombine(whole, *sum, extent.size);
    }
    if (whole != crc32c) return base::DataLoss(what + ": its content is another than the catalog says");
    return {};
  }

  Result<uint32_t> Small(const std::string& what, const Extent& extent) {
    SEAMOUNT_TRY_ASSIGN(Query query, catalog_.Prepare("SELECT data FROM small WHERE id = ?"));
    SEAMOUNT_TRY_ASSIGN(const bool row, query.Bind(extent.blob).Step());
    const std::string data = row ? query.Text(0) : "";
    if (data.size() != extent.size) return base::DataLoss(what + ": its content in the catalog is not there");
    return base::Crc32c(base::AsBytes(data));
  }

  // A blob of several contents is read once.
  Result<uint32_t> File(const std::string& what, const Extent& extent) {
    if (const auto known = sums_.find(extent.blob); known != sums_.end()) return known->second;
    const std::string path = directory_ + "/blobs/" + extent.blob.substr(0, 2) + "/" + extent.blob;
    const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return base::DataLoss(what + ": its content is missing (" + path + ")");
    SEAMOUNT_TRY_ASSIGN(const SealedFile sealed, SealedFile::Open(file.get(), extent.size, what));
    SEAMOUNT_TRY(sealed.Check(0, extent.size));
    uint32_t sum = sealed.crc32c();
    if (!sealed.sealed()) {
      ++found_.unsealed;
      SEAMOUNT_TRY_ASSIGN(sum, Crc32cOf(file.get(), what));
    }
    sums_.emplace(extent.blob, sum);
    return sum;
  }

  static Result<uint32_t> Crc32cOf(int fd, const std::string& what) {
    Buffer buffer(1 << 20);
    uint32_t sum = 0;
    while (true) {
      const ssize_t got = ::read(fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return base::DataLoss(what + ": its content cannot be read");
      if (got == 0) return sum;
      sum = base::Crc32c(buffer.span().first(static_cast<size_t>(got)), sum);
    }
  }

  const std::string directory_;
  Connection& catalog_;
  FolderCheck& found_;
  const std::function<void(const std::string&)>& say_;
  std::unordered_set<std::string> named_;
  std::unordered_map<std::string, uint32_t> sums_;
};

}  // namespace

Result<FolderCheck> CheckServedFolder(const std::string& directory, const std::function<void(const std::string&)>& say,
                                      const std::function<Result<void>(const FolderCheck&)>& progress) {
  SEAMOUNT_TRY(CheckFolder(directory));
  if (!fs::exists(directory + "/catalog.db"))
    return base::NotFound("folder " + directory + ": no server has kept anything there");
  SEAMOUNT_TRY_ASSIGN(const base::Fd lock, LockFolder(directory));
  SEAMOUNT_TRY_ASSIGN(const auto catalog, Connection::Open(directory + "/catalog.db", true));
  {
    SEAMOUNT_TRY_ASSIGN(Query query, catalog->Prepare("PRAGMA user_version"));
    SEAMOUNT_TRY(query.Step());
    if (query.Integer(0) != kCatalogFormat)
      return base::InvalidArgument("folder " + directory + ": its catalog has format " +
                                   std::to_string(query.Integer(0)) + " (expected " + std::to_string(kCatalogFormat) +
                                   "): a start of this version's server brings an older one up");
  }
  FolderCheck found;
  Checker checker(directory, *catalog, found, say);
  SEAMOUNT_TRY(checker.Objects(progress));
  SEAMOUNT_TRY(checker.Strangers());
  return found;
}

}  // namespace seamount::server
