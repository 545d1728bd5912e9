#include "server/sqlite.h"

#include <sqlite3.h>

#include <utility>

namespace seamount::server {
namespace {

Error FromSqlite(sqlite3* db, int code) {
  std::string message = std::string("catalog: ") + (db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  switch (code & 0xff) {
    case SQLITE_FULL: return base::ResourceExhausted(message + " (free space on the server's disk)");
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return base::Unavailable(std::move(message));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return base::DataLoss(std::move(message));
    default:
      // A full disk can also surface as a failed write of the journal.
      if (db && sqlite3_system_errno(db) == ENOSPC) return base::ResourceExhausted(std::move(message));
      return base::Internal(std::move(message));
  }
}

}  // namespace

Query::Query(Query&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)), bound_(other.bound_) {}

Query::~Query() {
  if (!statement_) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

// The texts bound outlive the statement's execution in every caller: Bind is given lvalues that live through Step.
// SQLITE_TRANSIENT copies all the same, so that a temporary is no danger.
Query& Query::Bind(std::string_view text) {
  sqlite3_bind_text(statement_, ++bound_, text.data() ? text.data() : "", static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Query& Query::BindBlob(std::string_view bytes) {
  sqlite3_bind_blob(statement_, ++bound_, bytes.data() ? bytes.data() : "", static_cast<int>(bytes.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Query& Query::Bind(int64_t value) {
  sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Query& Query::BindNull() {
  sqlite3_bind_null(statement_, ++bound_);
  return *this;
}

Result<bool> Query::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return FromSqlite(db_, code);
}

Result<void> Query::Run() {
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool row, Step());
    if (!row) return {};
  }
}

int64_t Query::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Query::Text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);  // of TEXT too: its bytes
  const int size = sqlite3_column_bytes(statement_, column);
  return data ? std::string(static_cast<const char*>(data), static_cast<size_t>(size)) : std::string();
}

bool Query::IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& path, bool read_only) {
  sqlite3* db = nullptr;
  // The server serialises the use of each connection, so SQLite's own mutexes are left out.
  const int flags =
      SQLITE_OPEN_NOMUTEX | (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  if (code != SQLITE_OK) {
    Error error = FromSqlite(db, code).Wrap("opening " + path);
    sqlite3_close(db);
    return error;
  }
  std::unique_ptr<Connection> connection(new Connection(db));
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, 10'000);
  if (!read_only) SEAMOUNT_TRY(connection->Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"));
  // Pages: 16 MiB for the one writer, 1 MiB for each of the readers, who find most in the system's cache anyway.
  SEAMOUNT_TRY(connection->Execute(
      "PRAGMA foreign_keys=ON; PRAGMA cache_size=" + std::string(read_only ? "-1024" : "-16384") + ";"));
  return connection;
}

Connection::~Connection() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

Result<void> Connection::Execute(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return FromSqlite(db_, code);
  return {};
}

Result<Query> Connection::Prepare(std::string_view sql) {
  std::string key(sql);
  auto found = statements_.find(key);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db_, key.c_str(), static_cast<int>(key.size()), SQLITE_PREPARE_PERSISTENT,
                                        &statement, nullptr);
    if (code != SQLITE_OK) return FromSqlite(db_, code);
    found = statements_.emplace(std::move(key), statement).first;
  }
  return Query(db_, found->second);
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

int64_t Connection::last_insert_id() const { return sqlite3_last_insert_rowid(db_); }

}  // namespace seamount::server
