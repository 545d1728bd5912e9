#include "server/catalog.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "server/blob_store.h"
#include "server/catalog_reader.h"
#include "server/catalog_schema.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

std::string RandomSecret() {
  std::string secret(32, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), static_cast<int>(secret.size())) != 1) std::abort();
  return secret;
}

// Makes the file where missing. Closed again before SQLite opens it: closing it later would end SQLite's locks.
Result<void> MakePrivate(const std::string& path) {
  const base::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return FromErrno("opening " + path, errno);
  for (const char* suffix : {"", "-wal", "-shm"}) {  // copied back by hand, they may be open to all
    if (::chmod((path + suffix).c_str(), 0600) != 0 && errno != ENOENT)
      return FromErrno("changing the mode of " + path + suffix, errno);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::Open(const std::string& path, base::Clock& clock,
                                               std::function<bool()> make_room) {
  // It holds the tokens' secret; the files that SQLite puts beside it take its mode.
  SEAMOUNT_TRY(MakePrivate(path));
  SEAMOUNT_TRY_ASSIGN(auto connection, Connection::Open(path, false));
  SEAMOUNT_TRY(BringUp(*connection, path));
  std::unique_ptr<Catalog> catalog(new Catalog(path, clock));
  SEAMOUNT_TRY(catalog->Load(*connection));
  catalog->queue_ = std::make_unique<CommitQueue>(std::move(connection), std::move(make_room));
  return catalog;
}

// The writer's connection is the last to close: SQLite then folds the log into catalog.db, which alone is all.
Catalog::~Catalog() { idle_readers_.clear(); }

Micros Catalog::Now() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock_.WallNow().time_since_epoch()).count();
}

Result<void> Catalog::Load(Connection& connection) {
  SEAMOUNT_TRY(LoadSecret(connection));
  {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("SELECT value FROM meta WHERE name = 'last_generation'"));
    SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
    if (row) last_generation_ = static_cast<uint64_t>(query.Integer(0));
  }
  SEAMOUNT_TRY(LoadBuckets(connection));
  return LoadAccounts(connection);
}

Result<void> Catalog::LoadSecret(Connection& connection) {
  {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("SELECT value FROM meta WHERE name = 'token_secret'"));
    SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
    if (row) {
      token_secret_ = query.Text(0);
      return {};
    }
  }
  token_secret_ = RandomSecret();
  SEAMOUNT_TRY_ASSIGN(Query insert, connection.Prepare("INSERT INTO meta VALUES ('token_secret', ?)"));
  return insert.BindBlob(token_secret_).Run();
}

Result<void> Catalog::LoadBuckets(Connection& connection) {
  SEAMOUNT_TRY_ASSIGN(const auto buckets, ReadBuckets(connection));
  for (const auto& [name, bucket] : buckets) buckets_.emplace(name, bucket);
  return {};
}

Result<std::map<std::string, std::shared_ptr<BucketRow>>> Catalog::ReadBuckets(Connection& connection) {
  std::map<std::string, std::shared_ptr<BucketRow>> buckets;
  SEAMOUNT_TRY_ASSIGN(Query query,
                      connection.Prepare("SELECT id, name, project, location, storage_class, metageneration, created, "
                                         "updated, policy, policy_version, is_share, prevents_public, "
                                         "labels FROM buckets"));
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool row, query.Step());
    if (!row) return buckets;
    auto bucket = std::make_shared<BucketRow>();
    bucket->id = query.Integer(0);
    bucket->name = query.Text(1);
    bucket->project = query.Text(2);
    bucket->location = query.Text(3);
    bucket->storage_class = query.Text(4);
    bucket->metageneration = static_cast<uint64_t>(query.Integer(5));
    bucket->created = query.Integer(6);
    bucket->updated = query.Integer(7);
    SEAMOUNT_TRY_ASSIGN(bucket->policy.bindings, BindingsFromJson(query.Text(8)));
    bucket->policy.version = static_cast<uint64_t>(query.Integer(9));
    bucket->is_share = query.Integer(10) != 0;
    bucket->policy.prevents_public = query.Integer(11) != 0;
    SEAMOUNT_TRY_ASSIGN(bucket->labels, MapFromJson(query.Text(12)));
    std::string name = bucket->name;
    buckets.emplace(std::move(name), std::move(bucket));
  }
}

std::shared_ptr<const BucketRow> Catalog::FindBucket(const std::string& name) const {
  std::shared_lock lock(maps_mutex_);
  const auto found = buckets_.find(name);
  return found == buckets_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const BucketRow>> Catalog::ListBuckets() const {
  std::vector<std::shared_ptr<const BucketRow>> all;
  {
    std::shared_lock lock(maps_mutex_);
    for (const auto& [name, bucket] : buckets_) all.push_back(bucket);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  return all;
}

Result<std::shared_ptr<const BucketRow>> Catalog::InsertBucket(BucketRow bucket) {
  auto row = std::make_shared<BucketRow>(std::move(bucket));
  row->created = row->updated = Now();
  row->policy.version = 1;
  const auto change = [&](Connection& connection) -> Result<void> {
    {
      SEAMOUNT_TRY_ASSIGN(Query exists, connection.Prepare("SELECT 1 FROM buckets WHERE name = ?"));
      SEAMOUNT_TRY_ASSIGN(const bool found, exists.Bind(row->name).Step());
      if (found) return base::PreconditionFailed("bucket '" + row->name + "' already exists");
    }
    SEAMOUNT_TRY_ASSIGN(Query insert, connection.Prepare("INSERT INTO buckets (name, project, location, storage_class, "
                                                         "metageneration, created, updated, policy, policy_version, "
                                                         "is_share, prevents_public, labels) "
                                                         "VALUES (?, ?, ?, ?, 1, ?, ?, ?, 1, ?, ?, ?)"));
    insert.Bind(row->name).Bind(row->project).Bind(row->location).Bind(row->storage_class);
    insert.Bind(row->created).Bind(row->updated).Bind(BindingsToJson(row->policy.bindings));
    insert.Bind(int64_t{row->is_share}).Bind(int64_t{row->policy.prevents_public}).Bind(MapToJson(row->labels));
    SEAMOUNT_TRY(insert.Run());
    row->id = connection.last_insert_id();
    return {};
  };
  SEAMOUNT_TRY(queue_->Commit(change, [&] {
    std::unique_lock lock(maps_mutex_);
    buckets_[row->name] = row;
  }));
  return std::shared_ptr<const BucketRow>(row);
}

Result<void> Catalog::DeleteBucket(const std::string& name) {
  const auto change = [&](Connection& connection) -> Result<void> {
    int64_t id = 0;  // the table's, not memory's: an earlier change of the same group is not in memory yet
    {
      SEAMOUNT_TRY_ASSIGN(Query select, connection.Prepare("SELECT id FROM buckets WHERE name = ?"));
      SEAMOUNT_TRY_ASSIGN(const bool found, select.Bind(name).Step());
      if (!found) return base::NotFound("The specified bucket does not exist: " + name);
      id = select.Integer(0);
    }
    {
      SEAMOUNT_TRY_ASSIGN(Query any, connection.Prepare("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1"));
      SEAMOUNT_TRY_ASSIGN(const bool has_objects, any.Bind(id).Step());
      if (has_objects) return base::PreconditionFailed("bucket '" + name + "' is not empty");
    }
    {
      SEAMOUNT_TRY_ASSIGN(Query sessions, connection.Prepare("SELECT id FROM uploads WHERE bucket = ?"));
      SEAMOUNT_TRY(EndUploads(connection, sessions.Bind(id)));
    }
    SEAMOUNT_TRY_ASSIGN(Query remove, connection.Prepare("DELETE FROM buckets WHERE id = ?"));
    return remove.Bind(id).Run();
  };
  return Free(change, [&] {
    std::unique_lock lock(maps_mutex_);
    buckets_.erase(name);
  });
}

namespace {

// As at Google: a member that is not there could be made later, by anybody who may, and would have the rights.
Result<void> CheckMembers(Connection& connection, const Policy& policy) {
  for (const Binding& binding : policy.bindings) {
    for (const std::string& member : binding.members) {
      const auto email = EmailOfMember(member);
      if (!email) continue;
      SEAMOUNT_TRY_ASSIGN(Query exists, connection.Prepare("SELECT 1 FROM accounts WHERE email = ?"));
      SEAMOUNT_TRY_ASSIGN(const bool found, exists.Bind(*email).Step());
      if (!found) return base::InvalidArgument("service account " + *email + " does not exist: make it first");
    }
  }
  return {};
}

Result<void> CheckNotPublic(const std::string& bucket, const Policy& policy) {
  for (const Binding& binding : policy.bindings) {
    for (const std::string& member : binding.members) {
      if (IsPublic(member))
        return base::PreconditionFailed("bucket '" + bucket + "': member '" + member + "' of " + binding.role +
                                        " is not allowed, since public access prevention is enforced");
    }
  }
  return {};
}

}  // namespace

// Applies `change` to the row and what it writes to the table, and counts the bucket's metageneration.
Result<std::shared_ptr<BucketRow>> Catalog::ChangeBucket(
    const std::string& name, const std::function<Result<void>(Connection&, BucketRow&)>& change) {
  std::shared_ptr<BucketRow> row;
  // From the table, not from memory: an earlier change of the same group is not in memory yet.
  const auto commit = [&](Connection& connection) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(const auto buckets, ReadBuckets(connection));
    const auto found = buckets.find(name);
    if (found == buckets.end()) return base::NotFound("The specified bucket does not exist: " + name);
    row = found->second;
    SEAMOUNT_TRY(change(connection, *row));
    ++row->metageneration;
    row->updated = Now();
    return WritePolicy(connection, *row);
  };
  SEAMOUNT_TRY(queue_->Commit(commit, [&] {
    std::unique_lock lock(maps_mutex_);
    buckets_[name] = row;
  }));
  return row;
}

Result<std::shared_ptr<const BucketRow>> Catalog::UpdateBucket(const std::string& name,
                                                               const std::function<Result<void>(BucketRow&)>& change) {
  SEAMOUNT_TRY_ASSIGN(auto row, ChangeBucket(name, [&](Connection& connection, BucketRow& bucket) -> Result<void> {
                        SEAMOUNT_TRY(change(bucket));
                        SEAMOUNT_TRY_ASSIGN(Query update,
                                            connection.Prepare("UPDATE buckets SET storage_class = ?, prevents_public "
                                                               "= ?, labels = ? WHERE id = ?"));
                        update.Bind(bucket.storage_class).Bind(int64_t{bucket.policy.prevents_public});
                        return update.Bind(MapToJson(bucket.labels)).Bind(bucket.id).Run();
                      }));
  return std::shared_ptr<const BucketRow>(std::move(row));
}

Result<Policy> Catalog::SetPolicy(const std::string& bucket, Policy policy, std::optional<uint64_t> expected_version) {
  SEAMOUNT_TRY_ASSIGN(
      const auto row, ChangeBucket(bucket, [&](Connection& connection, BucketRow& now) -> Result<void> {
        if (expected_version && *expected_version != now.policy.version)
          return base::PreconditionFailed("the policy of bucket '" + bucket + "' was changed meanwhile: read it again");
        if (now.policy.prevents_public) SEAMOUNT_TRY(CheckNotPublic(bucket, policy));
        SEAMOUNT_TRY(CheckMembers(connection, policy));
        now.policy.bindings = policy.bindings;
        ++now.policy.version;
        return {};
      }));
  return row->policy;
}

Result<void> Catalog::WritePolicy(Connection& connection, const BucketRow& row) {
  SEAMOUNT_TRY_ASSIGN(Query update,
                      connection.Prepare("UPDATE buckets SET policy = ?, policy_version = ?, metageneration = ?, "
                                         "updated = ? WHERE id = ?"));
  update.Bind(BindingsToJson(row.policy.bindings)).Bind(static_cast<int64_t>(row.policy.version));
  return update.Bind(static_cast<int64_t>(row.metageneration)).Bind(row.updated).Bind(row.id).Run();
}

// Reader connections are borrowed for one lookup or listing and given back; some stay open.
Result<Catalog::Reader> Catalog::Borrow() {
  {
    std::lock_guard lock(readers_mutex_);
    if (!idle_readers_.empty()) {
      auto connection = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return Reader(*this, std::move(connection));
    }
  }
  SEAMOUNT_TRY_ASSIGN(auto connection, Connection::Open(path_, true));
  return Reader(*this, std::move(connection));
}

}  // namespace seamount::server
