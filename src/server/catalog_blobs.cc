// What contents are made of: which blobs, who else names them, and what becomes of those that nobody names.
#include <utility>

#include "server/blob_store.h"
#include "server/catalog.h"
#include "server/catalog_reader.h"

namespace seamount::server {

Result<void> Catalog::CommitAndTell(CommitQueue::Kind kind, const CommitQueue::Change& change,
                                    const std::function<void()>& committed) {
  const auto and_tell = [&] {
    if (committed) committed();
    if (std::exchange(made_garbage_, false) && garbage_listener_) garbage_listener_();
  };
  return queue_->Commit(change, and_tell, kind);
}

Result<void> Catalog::Free(const CommitQueue::Change& change, const std::function<void()>& committed) {
  return CommitAndTell(CommitQueue::Kind::kFreesSpace, change, committed);
}

Result<void> Catalog::Retain(Connection& connection, const std::string& blob) {
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("INSERT INTO shared (blob, refs) VALUES (?, 2) "
                                                      "ON CONFLICT (blob) DO UPDATE SET refs = refs + 1"));
  return query.Bind(blob).Run();
}

Result<void> Catalog::Release(Connection& connection, const std::string& blob) {
  int64_t refs = 1;
  {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("SELECT refs FROM shared WHERE blob = ?"));
    SEAMOUNT_TRY_ASSIGN(const bool found, query.Bind(blob).Step());
    if (found) refs = query.Integer(0);
  }
  if (refs > 2) {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("UPDATE shared SET refs = refs - 1 WHERE blob = ?"));
    return query.Bind(blob).Run();
  }
  if (refs == 2) {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("DELETE FROM shared WHERE blob = ?"));
    return query.Bind(blob).Run();
  }
  if (!IsSmallId(blob)) return InsertGarbage(connection, {false, blob});
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("DELETE FROM small WHERE id = ?"));
  return query.Bind(blob).Run();
}

Result<void> Catalog::InsertGarbage(Connection& connection, const Garbage& garbage) {
  made_garbage_ = true;
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("INSERT OR IGNORE INTO garbage (is_upload, id) VALUES (?, ?)"));
  return query.Bind(int64_t{garbage.is_upload}).Bind(garbage.id).Run();
}

Result<void> Catalog::InsertSmall(Connection& connection, const std::string& id, const std::string& data) {
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("INSERT INTO small (id, data) VALUES (?, ?)"));
  return query.Bind(id).BindBlob(data).Run();
}

Result<std::vector<Catalog::Garbage>> Catalog::ListGarbage(size_t max) {
  SEAMOUNT_TRY_ASSIGN(Reader reader, Borrow());
  SEAMOUNT_TRY_ASSIGN(Query query, reader->Prepare("SELECT is_upload, id FROM garbage LIMIT ?"));
  query.Bind(static_cast<int64_t>(max));
  std::vector<Garbage> all;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
    if (!row) return all;
    all.push_back({query.Integer(0) != 0, query.Text(1)});
  }
}

Result<void> Catalog::ForgetGarbage(const std::vector<Garbage>& deleted) {
  const auto change = [&](Connection& connection) -> Result<void> {
    for (const Garbage& garbage : deleted) {
      SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("DELETE FROM garbage WHERE is_upload = ? AND id = ?"));
      SEAMOUNT_TRY(query.Bind(int64_t{garbage.is_upload}).Bind(garbage.id).Run());
    }
    return {};
  };
  return queue_->Commit(change, {}, CommitQueue::Kind::kFreesSpace);
}

Result<void> Catalog::ForEachBlob(const std::function<void(const std::string&)>& visit) {
  SEAMOUNT_TRY_ASSIGN(Reader reader, Borrow());
  {
    SEAMOUNT_TRY_ASSIGN(Query query, reader->Prepare("SELECT content, size FROM objects"));
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
      if (!row) break;
      SEAMOUNT_TRY_ASSIGN(const auto content, ContentFromText(query.Text(0), static_cast<uint64_t>(query.Integer(1))));
      for (const Extent& extent : content) visit(extent.blob);
    }
  }
  SEAMOUNT_TRY_ASSIGN(Query query,
                      reader->Prepare("SELECT blob FROM parts UNION ALL SELECT id FROM garbage WHERE is_upload = 0"));
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
    if (!row) return {};
    visit(query.Text(0));
  }
}

Result<std::optional<std::string>> Catalog::ReadSmall(const std::string& id) {
  SEAMOUNT_TRY_ASSIGN(Reader reader, Borrow());
  SEAMOUNT_TRY_ASSIGN(Query query, reader->Prepare("SELECT data FROM small WHERE id = ?"));
  SEAMOUNT_TRY_ASSIGN(const bool found, query.Bind(id).Step());
  return found ? std::optional(query.Text(0)) : std::nullopt;
}

}  // namespace seamount::server
