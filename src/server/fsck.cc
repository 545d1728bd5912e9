#include "server/fsck.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/fd.h"
#include "server/blob_store.h"
#include "server/block_sums.h"
#include "server/catalog.h"
#include "server/catalog_schema.h"
#include "server/left_contents.h"
#include "server/served_folder.h"
#include "server/sqlite.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;

using Say = std::function<void(const std::string&)>;
using Progress = std::function<Result<void>(const FolderCheck&)>;

// What the catalog says of an object.
struct Entry {
  std::string what;
  uint64_t size = 0;
  uint32_t crc32c = 0;
  std::string md5;
  std::string content;
};

// A content's file, read.
struct FileSums {
  uint32_t crc32c = 0;
  std::string md5;        // of an unsealed one
  bool is_sealed = true;  // or cannot be now: it lies in quarantine/
};

class Checker {
 public:
  // `blobs`: null unless contents are to be sealed. `named` gets the ids of all contents that the catalog names.
  Checker(std::string directory, Connection& catalog, BlobStore* blobs, FolderCheck& found,
          std::unordered_set<std::string>& named)
      : directory_(std::move(directory)), catalog_(catalog), blobs_(blobs), found_(found), named_(named) {}

  Result<void> Objects(const Say& say, const Progress& progress) {
    SEAMOUNT_TRY_ASSIGN(Query query,
                        catalog_.Prepare("SELECT b.name, o.name, o.size, o.crc32c, o.md5, o.content FROM objects o "
                                         "JOIN buckets b ON b.id = o.bucket ORDER BY o.bucket, o.name"));
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
      if (!row) return {};
      const Entry object{"object '" + query.Text(0) + "/" + query.Text(1) + "'",
                         static_cast<uint64_t>(query.Integer(2)), static_cast<uint32_t>(query.Integer(3)),
                         query.Text(4), query.Text(5)};
      const auto content = ContentFromText(object.content, object.size);
      const auto good = content ? Object(object, *content) : Result<void>(content.error().Wrap(object.what));
      if (good) {
        SEAMOUNT_TRY(Seal(*content));
      } else {
        ++found_.damaged;
        say(good.error().message());
      }
      ++found_.objects;
      found_.bytes += object.size;
      SEAMOUNT_TRY(progress(found_));
    }
  }

  // Contents of unfinished uploads, and garbage.
  Result<void> Others() {
    SEAMOUNT_TRY_ASSIGN(Query query, catalog_.Prepare("SELECT blob FROM parts UNION ALL SELECT id FROM garbage"));
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
      if (!row) return {};
      named_.insert(query.Text(0));
    }
  }

 private:
  Result<void> Object(const Entry& object, const std::vector<Extent>& content) {
    for (const Extent& extent : content) named_.insert(extent.blob);
    uint32_t whole = 0;
    std::string md5;
    for (const Extent& extent : content) {
      SEAMOUNT_TRY_ASSIGN(const FileSums sums, IsSmallId(extent.blob) ? Small(object, extent) : File(object, extent));
      whole = base::Crc32cCombine(whole, sums.crc32c, extent.size);
      md5 = sums.md5;
    }
    if (whole != object.crc32c) return base::DataLoss(object.what + ": its content is another than the catalog says");
    if (content.size() == 1 && !md5.empty() && !object.md5.empty() && md5 != object.md5)
      return base::DataLoss(object.what + ": its content has another MD5 than the catalog says");
    return {};
  }

  Result<FileSums> Small(const Entry& object, const Extent& extent) {
    SEAMOUNT_TRY_ASSIGN(Query query, catalog_.Prepare("SELECT data FROM small WHERE id = ?"));
    SEAMOUNT_TRY_ASSIGN(const bool row, query.Bind(extent.blob).Step());
    const std::string data = row ? query.Text(0) : "";
    if (data.size() != extent.size) return base::DataLoss(object.what + ": its content in the catalog is not there");
    return FileSums{.crc32c = base::Crc32c(base::AsBytes(data))};
  }

  // A blob of several contents is read once.
  Result<FileSums> File(const Entry& object, const Extent& extent) {
    if (const auto known = sums_.find(extent.blob); known != sums_.end()) return known->second;
    const std::string path = directory_ + "/blobs/" + extent.blob.substr(0, 2) + "/" + extent.blob;
    base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const bool is_aside = !file && errno == ENOENT;
    if (is_aside) file = base::Fd(::open((directory_ + "/quarantine/" + extent.blob).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return base::DataLoss(object.what + ": its content is missing (" + path + ")");
    SEAMOUNT_TRY_ASSIGN(const SealedFile sealed, SealedFile::Open(file.get(), extent.size, object.what));
    SEAMOUNT_TRY(sealed.Check(0, extent.size));
    FileSums sums{.crc32c = sealed.crc32c()};
    if (!sealed.sealed()) {
      ContentHash hash;
      SEAMOUNT_TRY(ReadThrough(file.get(), object.what, [&](std::span<const std::byte> data) -> Result<void> {
        hash.Add(data);
        return {};
      }));
      sums = {.crc32c = hash.crc32c(), .md5 = hash.FinishMd5(), .is_sealed = is_aside};
      ++found_.unsealed;
    }
    if (is_aside) ++found_.returning;
    sums_.emplace(extent.blob, sums);
    return sums;
  }

  // The contents of an object that is good. Whether those of several blobs are is known only of all together.
  Result<void> Seal(const std::vector<Extent>& content) {
    if (blobs_ == nullptr) return {};
    for (const Extent& extent : content) {
      const auto sums = sums_.find(extent.blob);
      if (sums == sums_.end() || sums->second.is_sealed) continue;
      SEAMOUNT_TRY(blobs_->Seal(extent.blob, extent.size, sums->second.crc32c));
      sums->second.is_sealed = true;
      ++found_.sealed;
    }
    return {};
  }

  const std::string directory_;
  Connection& catalog_;
  BlobStore* const blobs_;
  FolderCheck& found_;
  std::unordered_set<std::string>& named_;
  std::unordered_map<std::string, FileSums> sums_;
};

// True where there is a catalog, and false where it is lost and `repair` is to do without. A journal without its
// catalog may hold what is in no other place, and a new catalog would end it.
Result<bool> FindCatalog(const std::string& directory, const FolderRepair& repair) {
  auto good = CheckFolder(directory);
  if (good && fs::exists(directory + "/catalog.db")) return true;
  if (good) return base::NotFound("folder " + directory + ": no server has kept anything there");
  if (good.error().code() != ErrorCode::kDataLoss || repair.restore_to.empty()) return std::move(good).error();
  for (const char* suffix : {"-wal", "-journal"}) {
    const std::string log = directory + "/catalog.db" + suffix;
    std::error_code error;
    if (const auto size = fs::file_size(log, error); !error && size > 0)
      return base::DataLoss(log +
                            " is there without its catalog.db, and may hold objects: put the catalog back to it, "
                            "or move it to another place before a new catalog is made");
  }
  return false;
}

Result<void> CheckFormat(Connection& catalog, const std::string& directory) {
  SEAMOUNT_TRY_ASSIGN(Query query, catalog.Prepare("PRAGMA user_version"));
  SEAMOUNT_TRY(query.Step());
  if (query.Integer(0) == kCatalogFormat) return {};
  return base::InvalidArgument("folder " + directory + ": its catalog has format " + std::to_string(query.Integer(0)) +
                               " (expected " + std::to_string(kCatalogFormat) +
                               "): a start of this version's server brings an older one up");
}

Result<std::shared_ptr<const BucketRow>> EnsureBucket(Catalog& catalog, const std::string& name) {
  auto bucket = catalog.FindBucket(name);
  if (!bucket) return catalog.InsertBucket({.name = name, .location = "LOCAL", .storage_class = "STANDARD"});
  if (bucket->is_share)
    return base::InvalidArgument("bucket '" + name + "' is a folder of this machine, and read-only: give another one");
  return bucket;
}

// What a crash leaves before the row is a content that the catalog does not know, as before.
Result<void> Restore(Catalog& catalog, BlobStore& blobs, const std::string& bucket_name,
                     const std::vector<LeftContent>& contents, FolderCheck& found, const Say& say,
                     const Progress& progress) {
  SEAMOUNT_TRY_ASSIGN(const auto bucket, EnsureBucket(catalog, bucket_name));
  for (const LeftContent& left : contents) {
    SEAMOUNT_TRY(progress(found));
    if (left.state == LeftContent::State::kDamaged || left.size == 0) continue;
    if (left.is_aside) {
      SEAMOUNT_TRY_ASSIGN(const bool moved, blobs.TakeBack(left.id));
      if (!moved) {
        say(left.Describe() + "; stays there, since blobs/ holds one of that name");
        continue;
      }
    }
    const bool is_unsealed = left.state == LeftContent::State::kUnsealed;
    ObjectRow row{.name = (is_unsealed ? "unchecked/" : "") + left.id,
                  .size = left.size,
                  .crc32c = left.crc32c,
                  .content_type = "application/octet-stream",
                  .content = {{left.id, left.size}}};
    SEAMOUNT_TRY_ASSIGN(const auto stored,
                        catalog.PutObject(*bucket, std::move(row), {.preconditions = {.generation_match = 0}}));
    // After the row, which says by its name that nobody checked it: once sealed, it does not show any more.
    if (is_unsealed) SEAMOUNT_TRY(blobs.Seal(left.id, left.size, left.crc32c));
    ++found.restored;
    say("object '" + bucket_name + "/" + stored->name + "': was " + left.Describe());
  }
  return {};
}

}  // namespace

Result<FolderCheck> CheckServedFolder(const std::string& directory, const FolderRepair& repair, const Say& say,
                                      const Progress& progress) {
  if (!repair.restore_to.empty()) SEAMOUNT_TRY(CheckBucketName(repair.restore_to));
  SEAMOUNT_TRY_ASSIGN(const bool has_catalog, FindCatalog(directory, repair));
  SEAMOUNT_TRY_ASSIGN(const base::Fd lock, LockFolder(directory));
  std::unique_ptr<BlobStore> blobs;
  if (repair.seal || !repair.restore_to.empty()) {
    SEAMOUNT_TRY_ASSIGN(blobs, BlobStore::Open(directory));
  }
  FolderCheck found;
  std::unordered_set<std::string> named;
  if (has_catalog) {
    SEAMOUNT_TRY_ASSIGN(const auto catalog, Connection::Open(directory + "/catalog.db", true));
    SEAMOUNT_TRY(CheckFormat(*catalog, directory));
    Checker checker(directory, *catalog, repair.seal ? blobs.get() : nullptr, found, named);
    SEAMOUNT_TRY(checker.Objects(say, progress));
    SEAMOUNT_TRY(checker.Others());
  } else {
    say("the catalog is lost, and with it the names of all objects, contents up to 32 KiB, accounts and rights");
  }
  SEAMOUNT_TRY_ASSIGN(const auto left, FindLeftContents(
                                           directory, [&](const std::string& id) { return named.contains(id); },
                                           [&] { return progress(found); }));
  for (const LeftContent& content : left) {
    ++(content.is_aside ? found.quarantined : found.unknown);
    say(content.Describe() + "; no object names it");
  }
  if (repair.restore_to.empty() || left.empty()) return found;
  SEAMOUNT_TRY_ASSIGN(const auto catalog, Catalog::Open(directory + "/catalog.db", base::RealClock()));
  SEAMOUNT_TRY(Restore(*catalog, *blobs, repair.restore_to, left, found, say, progress));
  return found;
}

}  // namespace seamount::server
