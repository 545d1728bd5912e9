// Sessions of resumable uploads.
#include <unordered_set>
#include <utility>

#include "server/catalog.h"
#include "server/catalog_reader.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

constexpr char kColumns[] =
    "id, bucket, name, content_type, fields, metadata, conditions, account, expected_size, persisted, finished, "
    "created, "
    "in_parts";

Result<UploadRow> RowOf(const Query& query) {
  UploadRow row;
  row.id = query.Text(0);
  row.bucket = query.Integer(1);
  row.object.name = query.Text(2);
  row.object.content_type = query.Text(3);
  SEAMOUNT_TRY_ASSIGN(row.object.fields, MapFromJson(query.Text(4)));
  SEAMOUNT_TRY_ASSIGN(row.object.metadata, MapFromJson(query.Text(5)));
  SEAMOUNT_TRY_ASSIGN(row.conditions, MapFromJson(query.Text(6)));
  row.account = query.Text(7);
  if (!query.IsNull(8)) row.expected_size = static_cast<uint64_t>(query.Integer(8));
  row.persisted = static_cast<uint64_t>(query.Integer(9));
  row.finished = static_cast<uint64_t>(query.Integer(10));
  row.created = query.Integer(11);
  row.in_parts = query.Integer(12) != 0;
  return row;
}

}  // namespace

Result<void> Catalog::InsertUpload(const UploadRow& upload) {
  return queue_->Commit([&](Connection& connection) -> Result<void> {
    {
      // The table's, not the caller's: bucket and account may just have been deleted.
      SEAMOUNT_TRY_ASSIGN(Query still, connection.Prepare("SELECT 1 FROM buckets WHERE id = ?1 AND (?2 = '' OR EXISTS "
                                                          "(SELECT 1 FROM accounts WHERE unique_id = ?2))"));
      SEAMOUNT_TRY_ASSIGN(const bool there, still.Bind(upload.bucket).Bind(upload.account).Step());
      if (!there) return base::NotFound("The specified bucket does not exist");
    }
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare(std::string("INSERT INTO uploads (") + kColumns +
                                                        ") VALUES (?,?,?,?,?,?,?,?,?,?,0,?,?)"));
    query.Bind(upload.id).Bind(upload.bucket).Bind(upload.object.name).Bind(upload.object.content_type);
    query.Bind(MapToJson(upload.object.fields)).Bind(MapToJson(upload.object.metadata));
    query.Bind(MapToJson(upload.conditions)).Bind(upload.account);
    if (upload.expected_size) {
      query.Bind(static_cast<int64_t>(*upload.expected_size));
    } else {
      query.BindNull();
    }
    query.Bind(static_cast<int64_t>(upload.persisted)).Bind(upload.created);
    return query.Bind(int64_t{upload.in_parts}).Run();
  });
}

Result<std::optional<UploadRow>> Catalog::FindUpload(const std::string& id) {
  SEAMOUNT_TRY_ASSIGN(Reader reader, Borrow());
  SEAMOUNT_TRY_ASSIGN(Query query, reader->Prepare(std::string("SELECT ") + kColumns + " FROM uploads WHERE id = ?"));
  SEAMOUNT_TRY_ASSIGN(const bool found, query.Bind(id).Step());
  if (!found) return std::optional<UploadRow>();
  SEAMOUNT_TRY_ASSIGN(UploadRow row, RowOf(query));
  return std::optional<UploadRow>(std::move(row));
}

Result<void> Catalog::SetUploadPersisted(const std::string& id, uint64_t persisted) {
  return queue_->Commit([&](Connection& connection) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("UPDATE uploads SET persisted = ? WHERE id = ?"));
    return query.Bind(static_cast<int64_t>(persisted)).Bind(id).Run();
  });
}

Result<void> Catalog::DeleteUpload(const std::string& id) {
  return Free([&](Connection& connection) { return EndUpload(connection, id); });
}

Result<void> Catalog::EndUpload(Connection& connection, const std::string& id) {
  SEAMOUNT_TRY(ReleaseParts(connection, id, {}));
  SEAMOUNT_TRY(InsertGarbage(connection, {true, id}));
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("DELETE FROM uploads WHERE id = ?"));
  return query.Bind(id).Run();
}

Result<void> Catalog::EndUploads(Connection& connection, Query& ids) {
  std::vector<std::string> all;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool row, ids.Step());
    if (!row) break;
    all.push_back(ids.Text(0));
  }
  for (const std::string& id : all) SEAMOUNT_TRY(EndUpload(connection, id));
  return {};
}

// Those in `but_not` belong to a content from now on.
Result<void> Catalog::ReleaseParts(Connection& connection, const std::string& upload,
                                   const std::vector<Extent>& but_not) {
  std::unordered_set<std::string> kept;
  for (const Extent& extent : but_not) kept.insert(extent.blob);
  std::vector<std::string> released;
  {
    SEAMOUNT_TRY_ASSIGN(Query select, connection.Prepare("SELECT blob FROM parts WHERE upload = ?"));
    select.Bind(upload);
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool row, select.Step());
      if (!row) break;
      std::string blob = select.Text(0);
      if (!blob.empty() && !kept.contains(blob)) released.push_back(std::move(blob));
    }
  }
  for (const std::string& blob : released) SEAMOUNT_TRY(Release(connection, blob));
  SEAMOUNT_TRY_ASSIGN(Query remove, connection.Prepare("DELETE FROM parts WHERE upload = ?"));
  return remove.Bind(upload).Run();
}

// Whether the session can be finished: false if it is already.
Result<bool> Catalog::EndOfUpload(Connection& connection, const std::string& upload) {
  SEAMOUNT_TRY_ASSIGN(Query select, connection.Prepare("SELECT finished FROM uploads WHERE id = ?"));
  SEAMOUNT_TRY_ASSIGN(const bool found, select.Bind(upload).Step());
  if (!found) return base::NotFound("no such upload: begin it again");
  return select.Integer(0) == 0;
}

Result<void> Catalog::PutPart(const std::string& upload_id, const PartRow& part) {
  const auto change = [&](Connection& connection) -> Result<void> {
    {
      SEAMOUNT_TRY_ASSIGN(Query open, connection.Prepare("SELECT 1 FROM uploads WHERE id = ? AND finished = 0"));
      SEAMOUNT_TRY_ASSIGN(const bool found, open.Bind(upload_id).Step());
      if (!found) return base::NotFound("no such upload: begin it again");
    }
    std::string replaced;
    {
      SEAMOUNT_TRY_ASSIGN(Query select, connection.Prepare("SELECT blob FROM parts WHERE upload = ? AND number = ?"));
      SEAMOUNT_TRY_ASSIGN(const bool found, select.Bind(upload_id).Bind(int64_t{part.number}).Step());
      if (found) replaced = select.Text(0);
    }
    if (!replaced.empty()) SEAMOUNT_TRY(Release(connection, replaced));
    if (!part.small.empty()) SEAMOUNT_TRY(InsertSmall(connection, part.blob, part.small));
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("INSERT OR REPLACE INTO parts (upload, number, size, crc32c, "
                                                        "md5, blob) VALUES (?,?,?,?,?,?)"));
    query.Bind(upload_id).Bind(int64_t{part.number}).Bind(static_cast<int64_t>(part.size));
    return query.Bind(int64_t{part.crc32c}).Bind(part.md5).Bind(part.blob).Run();
  };
  return CommitAndTell(CommitQueue::Kind::kAny, change);
}

Result<std::vector<PartRow>> Catalog::ListParts(const std::string& upload_id) {
  SEAMOUNT_TRY_ASSIGN(Reader reader, Borrow());
  SEAMOUNT_TRY_ASSIGN(Query query, reader->Prepare("SELECT number, size, crc32c, md5, blob FROM parts "
                                                   "WHERE upload = ? ORDER BY number"));
  query.Bind(upload_id);
  std::vector<PartRow> parts;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool found, query.Step());
    if (!found) return parts;
    parts.push_back({static_cast<uint32_t>(query.Integer(0)),
                     static_cast<uint64_t>(query.Integer(1)),
                     static_cast<uint32_t>(query.Integer(2)),
                     query.Text(3),
                     query.Text(4),
                     {}});
  }
}

Result<std::vector<UploadRow>> Catalog::ListUploads() {
  SEAMOUNT_TRY_ASSIGN(Reader reader, Borrow());
  SEAMOUNT_TRY_ASSIGN(Query query, reader->Prepare(std::string("SELECT ") + kColumns + " FROM uploads"));
  std::vector<UploadRow> all;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool found, query.Step());
    if (!found) return all;
    SEAMOUNT_TRY_ASSIGN(UploadRow row, RowOf(query));
    all.push_back(std::move(row));
  }
}

}  // namespace seamount::server
