// The catalog: what buckets, objects, upload sessions, service accounts and keys there are. SQLite holds the truth;
// buckets and accounts, which are few and asked for by every request, are held in memory whole, and objects in a
// bounded cache, so that a read of a hot object touches neither SQLite nor a lock that a commit holds.
//
// Every change goes through the commit queue and is durable when the call returns. Object rows name blobs that are
// durable already. What a change sets free is written down as garbage in the same transaction; the collector
// (collector.h) deletes it afterwards.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "server/commit_queue.h"
#include "server/iam.h"
#include "server/rows.h"
#include "server/sqlite.h"

namespace seamount::server {

// ifGenerationMatch and its kin. Zero as generation_match means that no object may be there.
struct Preconditions {
  std::optional<uint64_t> generation_match;
  std::optional<uint64_t> generation_not_match;
  std::optional<uint64_t> metageneration_match;
  std::optional<uint64_t> metageneration_not_match;
  std::string etag_match;  // If-Match, If-None-Match: "*" or etags in quotes; empty for none
  std::string etag_not_match;
};
enum class Verdict { kHolds, kFailed, kNotModified };  // kNotModified: one of the not-match kind failed
Verdict Evaluate(const Preconditions& preconditions, const ObjectRow* current);

// A live object whose blobs another content shares.
struct ContentSource {
  int64_t bucket = 0;
  std::string name;
  uint64_t generation = 0;
};

struct PutOptions {
  Preconditions preconditions;
  bool may_overwrite = false;          // else an object that is there is PermissionDenied
  std::string small;                   // the bytes, of a content that is one small blob, new
  std::vector<ContentSource> sources;  // whose blobs the content names
  std::string end_upload;              // this session is marked finished, and gives the content its parts
  bool move = false;                   // the one source is deleted in the same transaction
};

// Thread-safe.
class Catalog {
 public:
  // Opens or makes `path` and loads buckets and accounts.
  // `make_room` is asked on a full disk, so that what frees space can be written: see CommitQueue.
  static Result<std::unique_ptr<Catalog>> Open(const std::string& path, base::Clock& clock,
                                               std::function<bool()> make_room = {});
  ~Catalog();

  // 32 random bytes made with the catalog: what tokens are signed with.
  const std::string& token_secret() const { return token_secret_; }

  // Buckets. An absent one is null.
  std::shared_ptr<const BucketRow> FindBucket(const std::string& name) const;
  std::vector<std::shared_ptr<const BucketRow>> ListBuckets() const;
  // PreconditionFailed if it exists.
  Result<std::shared_ptr<const BucketRow>> InsertBucket(BucketRow bucket);
  // NotFound; PreconditionFailed if it is not empty.
  Result<void> DeleteBucket(const std::string& name);
  // Applies `change` to the row's storage class, policy.prevents_public and labels and counts its metageneration, or
  // changes nothing if it fails. NotFound.
  Result<std::shared_ptr<const BucketRow>> UpdateBucket(const std::string& name,
                                                        const std::function<Result<void>(BucketRow&)>& change);
  // PreconditionFailed unless `expected_version` (where given) is the policy's, and for a public member where public
  // access is prevented.
  Result<Policy> SetPolicy(const std::string& bucket, Policy policy, std::optional<uint64_t> expected_version);

  // Objects. An absent one is null.
  Result<std::shared_ptr<const ObjectRow>> FindObject(const BucketRow& bucket, const std::string& name);
  Result<Listing> ListObjects(const BucketRow& bucket, const ListQuery& query);
  // Sets generation and times. PreconditionFailed, PermissionDenied (see may_overwrite), NotFound (bucket or session
  // gone). Null, with nothing changed: a source is not what it was, or the session is finished already: look again.
  Result<std::shared_ptr<const ObjectRow>> PutObject(const BucketRow& bucket, ObjectRow row, const PutOptions& options);
  // Applies `change` to the row and counts its metageneration, or changes nothing if it fails; nullptr if it is absent.
  Result<std::shared_ptr<const ObjectRow>> UpdateObject(const BucketRow& bucket, const std::string& name,
                                                        const Preconditions& preconditions,
                                                        std::optional<uint64_t> generation,
                                                        const std::function<Result<void>(ObjectRow&)>& change);
  // False if the object is absent.
  Result<bool> DeleteObject(const BucketRow& bucket, const std::string& name, const Preconditions& preconditions,
                            std::optional<uint64_t> generation);
  // Every blob that a row names: objects', parts' and garbage. For the sweep at start.
  Result<void> ForEachBlob(const std::function<void(const std::string&)>& visit);
  // The bytes of a small content; nullopt if it was deleted.
  Result<std::optional<std::string>> ReadSmall(const std::string& id);

  // What is to be deleted: blobs, and files of upload sessions.
  struct Garbage {
    bool is_upload = false;
    std::string id;
  };
  Result<std::vector<Garbage>> ListGarbage(size_t max);
  // They are deleted.
  Result<void> ForgetGarbage(const std::vector<Garbage>& deleted);
  // Called, on the queue's thread, after changes that made garbage. Set before the first change.
  void SetGarbageListener(std::function<void()> listener) { garbage_listener_ = std::move(listener); }

  // Upload sessions.
  Result<void> InsertUpload(const UploadRow& upload);
  Result<std::optional<UploadRow>> FindUpload(const std::string& id);
  Result<void> SetUploadPersisted(const std::string& id, uint64_t persisted);
  Result<void> DeleteUpload(const std::string& id);  // its parts and its file become garbage
  // Replaces the part of that number. NotFound if the upload is gone or finished.
  Result<void> PutPart(const std::string& upload_id, const PartRow& part);
  // By number.
  Result<std::vector<PartRow>> ListParts(const std::string& upload_id);
  Result<std::vector<UploadRow>> ListUploads();

  // Service accounts. An absent one is null.
  std::shared_ptr<const AccountRow> FindAccount(const std::string& email) const;
  std::vector<std::shared_ptr<const AccountRow>> ListAccounts() const;
  // PreconditionFailed if it exists.
  Result<std::shared_ptr<const AccountRow>> InsertAccount(AccountRow account);
  // NotFound unless there was one. Its sessions end, and policies name it as deleted.
  Result<void> DeleteAccount(const std::string& email);
  Result<void> SetAccountDisabled(const std::string& email, bool disabled);
  Result<KeyRow> InsertKey(const std::string& email, KeyRow key);
  Result<void> DeleteKey(const std::string& email, const std::string& key_id);

  Micros Now() const;

 private:
  // Rows of one part of all objects. `writes` counts changes, so that a reader who looked into SQLite before a change
  // does not put the old row into the cache after it.
  struct Shard {
    struct Entry {
      std::string key;
      std::shared_ptr<const ObjectRow> row;
    };
    std::mutex mutex;
    std::list<Entry> recent;  // most recent first
    std::unordered_map<std::string, std::list<Entry>::iterator> rows;
    uint64_t writes = 0;
  };
  class Reader;  // a read-only connection, borrowed

  Catalog(std::string path, base::Clock& clock) : path_(std::move(path)), clock_(clock) {}
  Result<void> Load(Connection& connection);
  Result<void> LoadSecret(Connection& connection);
  Result<void> LoadBuckets(Connection& connection);
  Result<void> LoadAccounts(Connection& connection);
  static Result<std::map<std::string, std::shared_ptr<BucketRow>>> ReadBuckets(Connection& connection);
  static Result<void> WritePolicy(Connection& connection, const BucketRow& row);
  Result<std::shared_ptr<BucketRow>> ChangeBucket(const std::string& name,
                                                  const std::function<Result<void>(Connection&, BucketRow&)>& change);
  Result<std::map<std::string, std::shared_ptr<const BucketRow>>> ForgetMember(Connection& connection,
                                                                               const std::string& email,
                                                                               const std::string& unique_id);
  Result<Reader> Borrow();
  Shard& ShardOf(const std::string& key);
  void Remember(const std::string& key, std::shared_ptr<const ObjectRow> row);
  void Forget(const std::string& key);
  static void InsertIntoShard(Shard& shard, const std::string& key, std::shared_ptr<const ObjectRow> row);
  uint64_t NextGeneration();
  // Commits a change that may make garbage, and tells the listener. Free is for what frees space, also on a full disk.
  Result<void> CommitAndTell(CommitQueue::Kind kind, const CommitQueue::Change& change,
                             const std::function<void()>& committed = {});
  Result<void> Free(const CommitQueue::Change& change, const std::function<void()>& committed = {});
  // Steps of changes. A blob that a content no longer names is garbage, unless another one names it.
  Result<void> Retain(Connection& connection, const std::string& blob);
  Result<void> Release(Connection& connection, const std::string& blob);
  Result<void> Retire(Connection& connection, int64_t bucket, const ObjectRow& row);
  Result<void> InsertGarbage(Connection& connection, const Garbage& garbage);
  static Result<void> InsertSmall(Connection& connection, const std::string& id, const std::string& data);
  Result<void> EndUploads(Connection& connection, Query& ids);
  Result<void> EndUpload(Connection& connection, const std::string& id);
  Result<void> ReleaseParts(Connection& connection, const std::string& upload, const std::vector<Extent>& but_not);
  static Result<bool> EndOfUpload(Connection& connection, const std::string& upload);
  Result<void> ChangeAccount(const std::string& email, const CommitQueue::Change& change,
                             const std::function<void(AccountRow&)>& apply);

  std::string path_;
  base::Clock& clock_;
  std::string token_secret_;
  uint64_t last_generation_ = 0;  // touched on the commit queue's thread only, once open

  mutable std::shared_mutex maps_mutex_;  // held for lookups and pointer swaps only
  std::unordered_map<std::string, std::shared_ptr<const BucketRow>> buckets_;
  std::unordered_map<std::string, std::shared_ptr<const AccountRow>> accounts_;

  std::array<Shard, 16> shards_;
  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Connection>> idle_readers_;
  std::function<void()> garbage_listener_;
  bool made_garbage_ = false;  // by a change since the listener was told; touched on the commit queue's thread only
  std::unique_ptr<CommitQueue> queue_;
};

}  // namespace seamount::server
