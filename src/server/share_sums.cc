#include "server/share_sums.h"

#include <utility>

#include "base/log.h"

namespace seamount::server {
namespace {

// What a power cut takes of it is computed again.
constexpr char kSchema[] = R"sql(
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS sums (
  device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL, crc32c INTEGER NOT NULL, md5 TEXT NOT NULL, PRIMARY KEY (device, inode)) WITHOUT ROWID;
)sql";

int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }

Result<std::unique_ptr<Connection>> OpenDatabase(const std::string& path, bool& empty) {
  SEAMOUNT_TRY_ASSIGN(auto database, Connection::Open(path, false));
  SEAMOUNT_TRY(database->Execute(kSchema));
  {
    SEAMOUNT_TRY_ASSIGN(Query any, database->Prepare("SELECT 1 FROM sums LIMIT 1"));
    SEAMOUNT_TRY_ASSIGN(const bool row, any.Step());
    empty = !row;
  }
  return database;
}

}  // namespace

std::unique_ptr<ShareSums> ShareSums::Open(const std::string& path) {
  std::unique_ptr<ShareSums> sums(new ShareSums);
  bool empty = true;
  auto database = OpenDatabase(path, empty);
  if (database) {
    sums->database_ = *std::move(database);
    sums->empty_ = empty;
  } else {
    sums->GiveUp(database.error());
  }
  return sums;
}

void ShareSums::GiveUp(const Error& error) {
  database_.reset();
  empty_ = true;
  base::Log(base::LogLevel::kWarning,
            "server: checksums of shared files are not kept until the next start: " + error.ToString());
}

Result<std::optional<ContentSums>> ShareSums::Select(const FileIdentity& file) {
  SEAMOUNT_TRY_ASSIGN(Query query, database_->Prepare("SELECT crc32c, md5 FROM sums WHERE device = ? AND inode = ? AND "
                                                      "size = ? AND mtime_ns = ? AND ctime_ns = ?"));
  query.Bind(Signed(file.device)).Bind(Signed(file.inode)).Bind(Signed(file.size)).Bind(file.mtime_ns);
  SEAMOUNT_TRY_ASSIGN(const bool row, query.Bind(file.ctime_ns).Step());
  if (!row) return std::optional<ContentSums>();
  return std::optional(ContentSums{static_cast<uint32_t>(query.Integer(0)), query.Text(1)});
}

std::optional<ContentSums> ShareSums::Find(const FileIdentity& file) {
  if (empty_) return std::nullopt;
  std::lock_guard lock(mutex_);
  if (!database_) return std::nullopt;
  auto found = Select(file);
  if (found) return *std::move(found);
  GiveUp(found.error());
  return std::nullopt;
}

Result<void> ShareSums::Replace(const FileIdentity& file, const ContentSums& sums) {
  SEAMOUNT_TRY_ASSIGN(Query query, database_->Prepare("INSERT OR REPLACE INTO sums VALUES (?,?,?,?,?,?,?)"));
  query.Bind(Signed(file.device)).Bind(Signed(file.inode)).Bind(Signed(file.size)).Bind(file.mtime_ns);
  return query.Bind(file.ctime_ns).Bind(int64_t{sums.crc32c}).Bind(sums.md5).Run();
}

void ShareSums::Keep(const FileIdentity& file, const ContentSums& sums) {
  std::lock_guard lock(mutex_);
  if (!database_) return;
  const auto kept = Replace(file, sums);
  if (!kept) return GiveUp(kept.error());
  empty_ = false;
}

}  // namespace seamount::server
