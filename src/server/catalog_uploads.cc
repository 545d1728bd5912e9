// Sessions of resumable uploads.
#include <utility>

#include "server/catalog.h"
#include "server/catalog_reader.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

constexpr char kColumns[] =
    "id, bucket, name, content_type, fields, metadata, conditions, email, expected_size, persisted, finished, created, "
    "in_parts";

Result<UploadRow> RowOf(const Query& query) {
  UploadRow row;
  row.id = query.Text(0);
  row.bucket = query.Text(1);
  row.object.name = query.Text(2);
  row.object.content_type = query.Text(3);
  SEAMOUNT_TRY_ASSIGN(row.object.fields, MapFromJson(query.Text(4)));
  SEAMOUNT_TRY_ASSIGN(row.object.metadata, MapFromJson(query.Text(5)));
  SEAMOUNT_TRY_ASSIGN(row.conditions, MapFromJson(query.Text(6)));
  row.email = query.Text(7);
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
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare(std::string("INSERT INTO uploads (") + kColumns +
                                                        ") VALUES (?,?,?,?,?,?,?,?,?,?,0,?,?)"));
    query.Bind(upload.id).Bind(upload.bucket).Bind(upload.object.name).Bind(upload.object.content_type);
    query.Bind(MapToJson(upload.object.fields)).Bind(MapToJson(upload.object.metadata));
    query.Bind(MapToJson(upload.conditions)).Bind(upload.email);
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
  return queue_->Commit([&](Connection& connection) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(Query parts, connection.Prepare("DELETE FROM parts WHERE upload = ?"));
    SEAMOUNT_TRY(parts.Bind(id).Run());
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("DELETE FROM uploads WHERE id = ?"));
    return query.Bind(id).Run();
  });
}

Result<std::string> Catalog::PutPart(const std::string& upload_id, const PartRow& part) {
  std::string replaced;
  SEAMOUNT_TRY(queue_->Commit([&](Connection& connection) -> Result<void> {
    replaced.clear();
    {
      SEAMOUNT_TRY_ASSIGN(Query open, connection.Prepare("SELECT 1 FROM uploads WHERE id = ? AND finished = 0"));
      SEAMOUNT_TRY_ASSIGN(const bool found, open.Bind(upload_id).Step());
      if (!found) return base::NotFound("no such upload: begin it again");
    }
    {
      SEAMOUNT_TRY_ASSIGN(Query select, connection.Prepare("SELECT blob FROM parts WHERE upload = ? AND number = ?"));
      SEAMOUNT_TRY_ASSIGN(const bool found, select.Bind(upload_id).Bind(int64_t{part.number}).Step());
      if (found) replaced = select.Text(0);
    }
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("INSERT OR REPLACE INTO parts (upload, number, size, crc32c, "
                                                        "md5, blob) VALUES (?,?,?,?,?,?)"));
    query.Bind(upload_id).Bind(int64_t{part.number}).Bind(static_cast<int64_t>(part.size));
    return query.Bind(int64_t{part.crc32c}).Bind(part.md5).Bind(part.blob).Run();
  }));
  return replaced;
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
    parts.push_back({static_cast<uint32_t>(query.Integer(0)), static_cast<uint64_t>(query.Integer(1)),
                     static_cast<uint32_t>(query.Integer(2)), query.Text(3), query.Text(4)});
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
