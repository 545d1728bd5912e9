#include "server/catalog_schema.h"

#include <set>
#include <utility>
#include <vector>

#include "server/iam.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

// Names are compared byte by byte (SQLite's BINARY collation), which is the order that listings promise. AUTOINCREMENT
// never gives a bucket's id again, so a bucket made anew under an old name sees nothing of what was cached for the old.
//
// objects.content names the blobs that hold the content: see ContentToText. A blob that one content names once has no
// row of its own; `shared` counts those of blobs named more often. What a change sets free is a row of `garbage` in the
// same transaction, and only what such a row names is ever deleted. `retired` is 0 for the object that a name stands
// for.
constexpr char kSchema[] = R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE buckets (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, project TEXT NOT NULL, location TEXT NOT NULL,
  storage_class TEXT NOT NULL, metageneration INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
  policy TEXT NOT NULL, policy_version INTEGER NOT NULL, is_share INTEGER NOT NULL DEFAULT 0);
CREATE TABLE accounts (
  email TEXT PRIMARY KEY, project TEXT NOT NULL, unique_id TEXT NOT NULL, display_name TEXT NOT NULL,
  disabled INTEGER NOT NULL, is_admin INTEGER NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE keys (
  id TEXT PRIMARY KEY, email TEXT NOT NULL REFERENCES accounts(email) ON DELETE CASCADE, public_key TEXT NOT NULL,
  token_uri TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
)sql";

constexpr char kParts[] = R"sql(
CREATE TABLE parts (
  upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, crc32c INTEGER NOT NULL, md5 TEXT NOT NULL,
  blob TEXT NOT NULL, PRIMARY KEY (upload, number)) WITHOUT ROWID;
)sql";

// What is new in format 3.
constexpr char kTables3[] = R"sql(
CREATE TABLE objects (
  bucket INTEGER NOT NULL REFERENCES buckets(id), name TEXT NOT NULL, generation INTEGER NOT NULL,
  metageneration INTEGER NOT NULL, size INTEGER NOT NULL, crc32c INTEGER NOT NULL, md5 TEXT NOT NULL,
  content_type TEXT NOT NULL, fields TEXT NOT NULL, metadata TEXT NOT NULL, component_count INTEGER NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, content TEXT NOT NULL, retired INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (bucket, name, generation)) WITHOUT ROWID;
CREATE UNIQUE INDEX live_objects ON objects (bucket, name) WHERE retired = 0;
CREATE TABLE uploads (
  id TEXT PRIMARY KEY, bucket INTEGER NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL, fields TEXT NOT NULL,
  metadata TEXT NOT NULL, conditions TEXT NOT NULL, account TEXT NOT NULL, expected_size INTEGER,
  persisted INTEGER NOT NULL, finished INTEGER NOT NULL, created INTEGER NOT NULL, in_parts INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE shared (blob TEXT PRIMARY KEY, refs INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE small (id TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE garbage (is_upload INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (is_upload, id)) WITHOUT ROWID;
PRAGMA application_id = 1399153005;
)sql";

// What is new in format 4: settings of buckets.
constexpr char kTables4[] = R"sql(
ALTER TABLE buckets ADD COLUMN prevents_public INTEGER NOT NULL DEFAULT 0;
ALTER TABLE buckets ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
PRAGMA user_version = 4;
)sql";

constexpr char kFrom1To2[] = "ALTER TABLE uploads ADD COLUMN in_parts INTEGER NOT NULL DEFAULT 0;";

// Sessions whose bucket or account is no more end: those tables knew names only.
constexpr char kAside2[] = "ALTER TABLE objects RENAME TO objects_2; ALTER TABLE uploads RENAME TO uploads_2;";
constexpr char kFrom2To3[] = R"sql(
ALTER TABLE buckets ADD COLUMN is_share INTEGER NOT NULL DEFAULT 0;
INSERT INTO objects SELECT bucket, name, generation, metageneration, size, crc32c, md5, content_type, fields, metadata,
  component_count, created, updated, blob, 0 FROM objects_2;
INSERT INTO uploads SELECT u.id, b.id, u.name, u.content_type, u.fields, u.metadata, u.conditions,
  CASE u.email WHEN '' THEN '' ELSE a.unique_id END, u.expected_size, u.persisted, u.finished, u.created, u.in_parts
  FROM uploads_2 u JOIN buckets b ON b.name = u.bucket LEFT JOIN accounts a ON a.email = u.email
  WHERE u.email = '' OR a.unique_id IS NOT NULL;
INSERT INTO garbage SELECT 0, blob FROM parts WHERE upload NOT IN (SELECT id FROM uploads);
DELETE FROM parts WHERE upload NOT IN (SELECT id FROM uploads);
INSERT INTO garbage SELECT 1, id FROM uploads_2 WHERE id NOT IN (SELECT id FROM uploads);
DROP TABLE objects_2;
DROP TABLE uploads_2;
)sql";

// Policies of format 2 may name accounts that were deleted: one made anew under the name would have their rights.
Result<void> MarkDeletedMembers(Connection& connection) {
  std::set<std::string> emails;
  {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("SELECT email FROM accounts"));
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
      if (!row) break;
      emails.insert(query.Text(0));
    }
  }
  std::vector<std::pair<int64_t, std::vector<Binding>>> changed;
  {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("SELECT id, policy FROM buckets"));
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
      if (!row) break;
      SEAMOUNT_TRY_ASSIGN(std::vector<Binding> bindings, BindingsFromJson(query.Text(1)));
      bool any = false;
      for (Binding& binding : bindings) {
        for (std::string& member : binding.members) {
          const auto email = EmailOfMember(member);
          if (!email || emails.contains(*email)) continue;
          member = DeletedMember(*email, "0");
          any = true;
        }
      }
      if (any) changed.emplace_back(query.Integer(0), std::move(bindings));
    }
  }
  for (const auto& [id, bindings] : changed) {
    SEAMOUNT_TRY_ASSIGN(Query update, connection.Prepare("UPDATE buckets SET policy = ?, policy_version = "
                                                         "policy_version + 1 WHERE id = ?"));
    SEAMOUNT_TRY(update.Bind(BindingsToJson(bindings)).Bind(id).Run());
  }
  return {};
}

Result<void> Change(Connection& connection, int64_t format) {
  if (format == 0) {
    SEAMOUNT_TRY(connection.Execute(kSchema));
    SEAMOUNT_TRY(connection.Execute(kParts));
    SEAMOUNT_TRY(connection.Execute(kTables3));
    return connection.Execute(kTables4);
  }
  if (format == 3) return connection.Execute(kTables4);
  if (format == 1) {
    SEAMOUNT_TRY(connection.Execute(kFrom1To2));
    SEAMOUNT_TRY(connection.Execute(kParts));
  }
  SEAMOUNT_TRY(connection.Execute(kAside2));
  SEAMOUNT_TRY(connection.Execute(kTables3));
  SEAMOUNT_TRY(connection.Execute(kFrom2To3));
  SEAMOUNT_TRY(connection.Execute(kTables4));
  return MarkDeletedMembers(connection);
}

}  // namespace

Result<void> BringUp(Connection& connection, const std::string& path) {
  int64_t format = 0;  // of an empty catalog
  {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("PRAGMA user_version"));
    SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
    if (row) format = query.Integer(0);
  }
  if (format == kCatalogFormat) return {};
  if (format > kCatalogFormat)
    return base::InvalidArgument(path + ": written by a newer seamount (format " + std::to_string(format) +
                                 ", this one knows " + std::to_string(kCatalogFormat) + "): upgrade seamount");
  // Renaming a table must not make the others refer to the new name.
  SEAMOUNT_TRY(connection.Execute("PRAGMA foreign_keys=OFF; PRAGMA legacy_alter_table=ON; BEGIN IMMEDIATE;"));
  auto changed = Change(connection, format);
  if (changed) changed = connection.Execute("COMMIT");
  if (!changed) {
    if (connection.in_transaction()) (void)connection.Execute("ROLLBACK");
    return std::move(changed).error().Wrap("bringing " + path + " to format " + std::to_string(kCatalogFormat));
  }
  return connection.Execute("PRAGMA legacy_alter_table=OFF; PRAGMA foreign_keys=ON;");
}

}  // namespace seamount::server
