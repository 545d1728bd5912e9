// SQLite behind values: a connection with its prepared statements, and errors as Result. sqlite3.h stays in sqlite.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace seamount::server {

// One execution of a prepared statement. Binds by position from 1, reads columns from 0. Ends (and gives the statement
// back for reuse) on destruction; a connection runs each SQL text at most once at a time.
class Query {
 public:
  explicit Query(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;
  ~Query();

  Query& Bind(std::string_view text);
  Query& BindBlob(std::string_view bytes);
  Query& Bind(int64_t value);
  Query& BindNull();

  // True when a row is there, false at the end.
  Result<bool> Step();
  // Steps to the end, without rows.
  Result<void> Run();

  int64_t Integer(int column) const;
  std::string Text(int column) const;
  bool IsNull(int column) const;

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

// Used by one thread at a time.
class Connection {
 public:
  // Opens (creates, unless read_only) with WAL and synchronous=FULL: a commit that returned survives a power cut.
  static Result<std::unique_ptr<Connection>> Open(const std::string& path, bool read_only);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One or more statements without parameters or rows.
  Result<void> Execute(const std::string& sql);
  // Prepared once for each text, then reused.
  Result<Query> Prepare(std::string_view sql);
  int64_t last_insert_id() const;
  // False again when SQLite has rolled back by itself, as it may on a full disk.
  bool in_transaction() const;

 private:
  explicit Connection(sqlite3* db) : db_(db) {}
  sqlite3* db_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace seamount::server
