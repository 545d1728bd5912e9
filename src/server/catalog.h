// The catalog: what buckets, objects, upload sessions, service accounts and keys there are. SQLite holds the truth;
// buckets and accounts, which are few and asked for by every request, are held in memory whole, and objects in a
// bounded cache, so that a read of a hot object touches neither SQLite nor a lock that a commit holds.
//
// Every change goes through the commit queue and is durable when the call returns. Object rows name blobs that are
// durable already. The caller removes the blobs that a change set free.
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
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "server/commit_queue.h"
#include "server/iam.h"
#include "server/sqlite.h"

namespace seamount::server {

// Microseconds since 1970, as rows keep time.
using Micros = int64_t;

struct BucketRow {
  int64_t id = 0;
  std::string name;
  std::string project;
  std::string location;
  std::string storage_class;
  uint64_t metageneration = 1;
  Micros created = 0;
  Micros updated = 0;
  Policy policy;
};

struct ObjectRow {
  std::string name;
  uint64_t generation = 0;
  uint64_t metageneration = 1;
  uint64_t size = 0;
  uint32_t crc32c = 0;
  std::string md5;  // base64; empty for composed objects
  std::string content_type;
  std::map<std::string, std::string> fields;    // cacheControl, contentEncoding, customTime …: the fixed-key metadata
  std::map<std::string, std::string> metadata;  // the user's
  int component_count = 0;                      // of composed objects
  Micros created = 0;
  Micros updated = 0;
  std::string blob;
};

// Changes with generation and metageneration; without quotes.
std::string EtagOf(const ObjectRow& row);

struct UploadRow {
  std::string id;
  std::string bucket;
  ObjectRow object;  // what the session began with: name, content type, metadata
  // What the finished object must fulfil, by their names in the API: ifGenerationMatch …, crc32c, md5Hash.
  std::map<std::string, std::string> conditions;
  std::string email;      // who began it
  bool in_parts = false;  // by the XML API: its content is in parts, not in a file
  std::optional<uint64_t> expected_size;
  uint64_t persisted = 0;  // bytes acknowledged, and durable
  uint64_t finished = 0;   // the generation it became: kept, so that a client that missed the answer can ask again
  Micros created = 0;
};

// One part of an upload in parts.
struct PartRow {
  uint32_t number = 0;
  uint64_t size = 0;
  uint32_t crc32c = 0;
  std::string md5;  // base64
  std::string blob;
};
constexpr uint32_t kMaxPartNumber = 10'000;  // as Google's

struct KeyRow {
  std::string id;
  std::string public_key_pem;
  std::string token_uri;
  Micros created = 0;
};

struct AccountRow {
  std::string email;
  std::string project;
  std::string unique_id;
  std::string display_name;
  bool disabled = false;
  bool is_admin = false;
  Micros created = 0;
  std::map<std::string, KeyRow> keys;
};

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

struct PutOptions {
  Preconditions preconditions;
  bool may_overwrite = false;            // else an object that is there is PermissionDenied
  std::string end_upload;                // this session is marked finished, its parts dropped, in the same transaction
  std::optional<std::string> move_from;  // this object (with this blob) is deleted in the same transaction
};

struct PutOutcome {
  std::shared_ptr<const ObjectRow> row;
  std::string freed_blob;  // of the generation replaced; empty if there was none
};

struct ListQuery {
  std::string prefix;
  std::string delimiter;
  std::string start_offset;
  std::string end_offset;
  bool include_trailing_delimiter = false;
  int max_results = 1000;
  std::string page_token;
};
struct Listing {
  std::vector<ObjectRow> objects;
  std::vector<std::string> prefixes;
  std::string next_page_token;
};

// Thread-safe.
class Catalog {
 public:
  // Opens or makes `path` and loads buckets and accounts.
  static Result<std::unique_ptr<Catalog>> Open(const std::string& path, base::Clock& clock);
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
  // PreconditionFailed unless `expected_version` (where given) is the policy's.
  Result<Policy> SetPolicy(const std::string& bucket, Policy policy, std::optional<uint64_t> expected_version);

  // Objects. An absent one is null.
  Result<std::shared_ptr<const ObjectRow>> FindObject(const BucketRow& bucket, const std::string& name);
  Result<Listing> ListObjects(const BucketRow& bucket, const ListQuery& query);
  // Sets generation and times. PreconditionFailed, PermissionDenied (see may_overwrite), NotFound (bucket gone).
  Result<PutOutcome> PutObject(const BucketRow& bucket, ObjectRow row, const PutOptions& options);
  // Applies `change` to the row and counts its metageneration, or changes nothing if it fails; nullptr if it is absent.
  Result<std::shared_ptr<const ObjectRow>> UpdateObject(const BucketRow& bucket, const std::string& name,
                                                        const Preconditions& preconditions,
                                                        std::optional<uint64_t> generation,
                                                        const std::function<Result<void>(ObjectRow&)>& change);
  // The blob set free; nullopt if the object is absent.
  Result<std::optional<std::string>> DeleteObject(const BucketRow& bucket, const std::string& name,
                                                  const Preconditions& preconditions,
                                                  std::optional<uint64_t> generation);
  // Every blob that an object's or part's row names. For the sweep at start.
  Result<void> ForEachBlob(const std::function<void(const std::string&)>& visit);

  // Upload sessions.
  Result<void> InsertUpload(const UploadRow& upload);
  Result<std::optional<UploadRow>> FindUpload(const std::string& id);
  Result<void> SetUploadPersisted(const std::string& id, uint64_t persisted);
  Result<void> DeleteUpload(const std::string& id);  // and its parts
  // The blob that the part of that number had; empty if there was none. NotFound if the upload is gone or finished.
  Result<std::string> PutPart(const std::string& upload_id, const PartRow& part);
  // By number.
  Result<std::vector<PartRow>> ListParts(const std::string& upload_id);
  Result<std::vector<UploadRow>> ListUploads();

  // Service accounts. An absent one is null.
  std::shared_ptr<const AccountRow> FindAccount(const std::string& email) const;
  std::vector<std::shared_ptr<const AccountRow>> ListAccounts() const;
  // PreconditionFailed if it exists.
  Result<std::shared_ptr<const AccountRow>> InsertAccount(AccountRow account);
  // NotFound unless there was one.
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
  Result<Reader> Borrow();
  Shard& ShardOf(const std::string& key);
  void Remember(const std::string& key, std::shared_ptr<const ObjectRow> row);
  void Forget(const std::string& key);
  static void InsertIntoShard(Shard& shard, const std::string& key, std::shared_ptr<const ObjectRow> row);
  uint64_t NextGeneration();
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
  std::unique_ptr<CommitQueue> queue_;
};

}  // namespace seamount::server
