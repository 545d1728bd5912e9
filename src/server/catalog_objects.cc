// Objects: rows, the cache in front of them, and listings.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/text.h"
#include "server/catalog.h"
#include "server/catalog_reader.h"
#include "server/json_text.h"
#include "server/list_bounds.h"

namespace seamount::server {
namespace {

// Of one of 16 shards. Rows are a few hundred bytes, so a full cache holds some 60 MB.
constexpr size_t kShardRows = 8192;

// A page of objects with the largest metadata would be 64 MB: it ends early instead.
constexpr size_t kMaxPageMetadata = 4 << 20;

constexpr char kColumns[] =
    "name, generation, metageneration, size, crc32c, md5, content_type, fields, metadata, component_count, created, "
    "updated, content";

std::string CacheKey(int64_t bucket, const std::string& name) { return std::to_string(bucket) + '/' + name; }

Result<ObjectRow> RowOf(const Query& query) {
  ObjectRow row;
  row.name = query.Text(0);
  row.generation = static_cast<uint64_t>(query.Integer(1));
  row.metageneration = static_cast<uint64_t>(query.Integer(2));
  row.size = static_cast<uint64_t>(query.Integer(3));
  row.crc32c = static_cast<uint32_t>(query.Integer(4));
  row.md5 = query.Text(5);
  row.content_type = query.Text(6);
  SEAMOUNT_TRY_ASSIGN(row.fields, MapFromJson(query.Text(7)));
  SEAMOUNT_TRY_ASSIGN(row.metadata, MapFromJson(query.Text(8)));
  row.component_count = static_cast<int>(query.Integer(9));
  row.created = query.Integer(10);
  row.updated = query.Integer(11);
  SEAMOUNT_TRY_ASSIGN(row.content, ContentFromText(query.Text(12), row.size));
  return row;
}

Result<std::optional<ObjectRow>> Select(Connection& connection, int64_t bucket, const std::string& name) {
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare(std::string("SELECT ") + kColumns +
                                                      " FROM objects WHERE bucket = ? AND name = ? AND +retired = 0"));
  SEAMOUNT_TRY_ASSIGN(const bool found, query.Bind(bucket).Bind(name).Step());
  if (!found) return std::optional<ObjectRow>();
  SEAMOUNT_TRY_ASSIGN(ObjectRow row, RowOf(query));
  return std::optional<ObjectRow>(std::move(row));
}

Result<void> Replace(Connection& connection, int64_t bucket, const ObjectRow& row) {
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare(std::string("INSERT OR REPLACE INTO objects (bucket, ") +
                                                      kColumns + ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"));
  query.Bind(bucket).Bind(row.name).Bind(static_cast<int64_t>(row.generation));
  query.Bind(static_cast<int64_t>(row.metageneration)).Bind(static_cast<int64_t>(row.size));
  query.Bind(static_cast<int64_t>(row.crc32c.value_or(0))).Bind(row.md5).Bind(row.content_type);
  query.Bind(MapToJson(row.fields)).Bind(MapToJson(row.metadata)).Bind(static_cast<int64_t>(row.component_count));
  return query.Bind(row.created).Bind(row.updated).Bind(ContentToText(row.content)).Run();
}

Result<void> Remove(Connection& connection, int64_t bucket, const ObjectRow& row) {
  SEAMOUNT_TRY_ASSIGN(Query query,
                      connection.Prepare("DELETE FROM objects WHERE bucket = ? AND name = ? AND generation = ?"));
  return query.Bind(bucket).Bind(row.name).Bind(static_cast<int64_t>(row.generation)).Run();
}

// The blobs of `sources`; nullopt where one of them is not the live object of its name any more.
Result<std::optional<std::unordered_set<std::string>>> BlobsOf(Connection& connection,
                                                               const std::vector<ContentSource>& sources) {
  std::unordered_set<std::string> blobs;
  for (const ContentSource& source : sources) {
    SEAMOUNT_TRY_ASSIGN(const auto row, Select(connection, source.bucket, source.name));
    if (!row || row->generation != source.generation) return std::optional<std::unordered_set<std::string>>();
    for (const Extent& extent : row->content) blobs.insert(extent.blob);
  }
  return std::optional(std::move(blobs));
}

Result<void> BucketStillThere(Connection& connection, const BucketRow& bucket) {
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("SELECT 1 FROM buckets WHERE id = ?"));
  SEAMOUNT_TRY_ASSIGN(const bool found, query.Bind(bucket.id).Step());
  if (!found) return base::NotFound("The specified bucket does not exist: " + bucket.name);
  return {};
}

Result<void> CheckForWrite(const Preconditions& preconditions, const ObjectRow* current, const std::string& name) {
  if (Evaluate(preconditions, current) == Verdict::kHolds) return {};
  return base::PreconditionFailed("object '" + name + "': a precondition does not hold (" +
                                  (current ? "its generation is " + std::to_string(current->generation) +
                                                 ", its metageneration " + std::to_string(current->metageneration)
                                           : std::string("it does not exist")) +
                                  ")");
}

// Whether an If-Match header names the object: "*", or etags, which Google's libraries send without quotes. An etag is
// base64, so it holds neither quotes nor commas.
bool NamesEtag(const std::string& header, const ObjectRow* current) {
  if (!current) return false;
  const std::string etag = EtagOf(*current);
  for (std::string_view part : base::Split(header, ',')) {
    part.remove_prefix(std::min(part.find_first_not_of(" \""), part.size()));
    part = part.substr(0, part.find_first_of(" \""));
    if (part == "*" || part == etag) return true;
  }
  return false;
}

}  // namespace

Verdict Evaluate(const Preconditions& preconditions, const ObjectRow* current) {
  const uint64_t generation = current ? current->generation : 0;
  const uint64_t metageneration = current ? current->metageneration : 0;
  if (preconditions.generation_match && *preconditions.generation_match != generation) return Verdict::kFailed;
  if (preconditions.metageneration_match && *preconditions.metageneration_match != metageneration)
    return Verdict::kFailed;
  if (preconditions.generation_not_match && *preconditions.generation_not_match == generation)
    return Verdict::kNotModified;
  if (preconditions.metageneration_not_match && *preconditions.metageneration_not_match == metageneration)
    return Verdict::kNotModified;
  if (!preconditions.etag_match.empty() && !NamesEtag(preconditions.etag_match, current)) return Verdict::kFailed;
  if (!preconditions.etag_not_match.empty() && NamesEtag(preconditions.etag_not_match, current))
    return Verdict::kNotModified;
  return Verdict::kHolds;
}

Catalog::Shard& Catalog::ShardOf(const std::string& key) {
  return shards_[std::hash<std::string>()(key) % shards_.size()];
}

void Catalog::InsertIntoShard(Shard& shard, const std::string& key, std::shared_ptr<const ObjectRow> row) {
  if (const auto found = shard.rows.find(key); found != shard.rows.end()) {
    found->second->row = std::move(row);
    shard.recent.splice(shard.recent.begin(), shard.recent, found->second);
    return;
  }
  shard.recent.push_front({key, std::move(row)});
  shard.rows.emplace(key, shard.recent.begin());
  if (shard.rows.size() <= kShardRows) return;
  shard.rows.erase(shard.recent.back().key);
  shard.recent.pop_back();
}

// After a commit, on the commit queue's thread: so rows enter in the order of commits.
void Catalog::Remember(const std::string& key, std::shared_ptr<const ObjectRow> row) {
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  ++shard.writes;
  InsertIntoShard(shard, key, std::move(row));
}

void Catalog::Forget(const std::string& key) {
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  ++shard.writes;
  const auto found = shard.rows.find(key);
  if (found == shard.rows.end()) return;
  shard.recent.erase(found->second);
  shard.rows.erase(found);
}

Result<std::shared_ptr<const ObjectRow>> Catalog::FindObject(const BucketRow& bucket, const std::string& name) {
  const std::string key = CacheKey(bucket.id, name);
  Shard& shard = ShardOf(key);
  uint64_t writes = 0;
  {
    std::lock_guard lock(shard.mutex);
    if (const auto found = shard.rows.find(key); found != shard.rows.end()) {
      shard.recent.splice(shard.recent.begin(), shard.recent, found->second);
      return found->second->row;
    }
    writes = shard.writes;
  }
  SEAMOUNT_TRY_ASSIGN(Reader reader, Borrow());
  SEAMOUNT_TRY_ASSIGN(std::optional<ObjectRow> row, Select(*reader, bucket.id, name));
  if (!row) return std::shared_ptr<const ObjectRow>();
  std::shared_ptr<const ObjectRow> shared = std::make_shared<ObjectRow>(std::move(*row));
  std::lock_guard lock(shard.mutex);
  if (shard.writes == writes) InsertIntoShard(shard, key, shared);
  return shared;
}

uint64_t Catalog::NextGeneration() {
  last_generation_ = std::max(last_generation_ + 1, static_cast<uint64_t>(Now()));
  return last_generation_;
}

// Where versions are kept one day, the row stays with the time of its retirement, and so do its blobs.
Result<void> Catalog::Retire(Connection& connection, int64_t bucket, const ObjectRow& row) {
  for (const Extent& extent : row.content) SEAMOUNT_TRY(Release(connection, extent.blob));
  return Remove(connection, bucket, row);
}

Result<std::shared_ptr<const ObjectRow>> Catalog::PutObject(const BucketRow& bucket, ObjectRow row,
                                                            const PutOptions& options) {
  auto stored = std::make_shared<ObjectRow>(std::move(row));
  bool put = false;
  const auto change = [&](Connection& connection) -> Result<void> {
    put = false;
    SEAMOUNT_TRY(BucketStillThere(connection, bucket));
    if (!options.end_upload.empty()) {
      SEAMOUNT_TRY_ASSIGN(const bool open, EndOfUpload(connection, options.end_upload));
      if (!open) return {};
    }
    SEAMOUNT_TRY_ASSIGN(const auto current, Select(connection, bucket.id, stored->name));
    SEAMOUNT_TRY(CheckForWrite(options.preconditions, current ? &*current : nullptr, stored->name));
    if (current && !options.may_overwrite)
      return base::PermissionDenied("object '" + stored->name +
                                    "' exists, and overwriting it needs storage.objects.delete");
    SEAMOUNT_TRY_ASSIGN(const auto shared, BlobsOf(connection, options.sources));
    if (!shared) return {};
    // First: the object that is replaced may be a source.
    for (const Extent& extent : stored->content)
      if (shared->contains(extent.blob)) SEAMOUNT_TRY(Retain(connection, extent.blob));
    if (current) SEAMOUNT_TRY(Retire(connection, bucket.id, *current));
    if (options.move) {
      const ContentSource& from = options.sources.front();
      SEAMOUNT_TRY_ASSIGN(const auto source, Select(connection, from.bucket, from.name));
      if (!source) return base::Internal("object '" + from.name + "' cannot be moved onto itself");
      SEAMOUNT_TRY(Retire(connection, from.bucket, *source));
    }
    if (!options.small.empty()) SEAMOUNT_TRY(InsertSmall(connection, stored->content.front().blob, options.small));
    stored->generation = NextGeneration();
    stored->created = stored->updated = Now();
    SEAMOUNT_TRY(Replace(connection, bucket.id, *stored));
    if (!options.end_upload.empty()) {
      SEAMOUNT_TRY_ASSIGN(Query end, connection.Prepare("UPDATE uploads SET finished = ? WHERE id = ?"));
      SEAMOUNT_TRY(end.Bind(static_cast<int64_t>(stored->generation)).Bind(options.end_upload).Run());
      SEAMOUNT_TRY(ReleaseParts(connection, options.end_upload, stored->content));
      SEAMOUNT_TRY(InsertGarbage(connection, {true, options.end_upload}));
    }
    put = true;
    // Kept, so that a clock set back never gives a generation twice.
    SEAMOUNT_TRY_ASSIGN(Query last, connection.Prepare("INSERT OR REPLACE INTO meta VALUES ('last_generation', ?)"));
    return last.Bind(static_cast<int64_t>(stored->generation)).Run();
  };
  SEAMOUNT_TRY(CommitAndTell(CommitQueue::Kind::kAny, change, [&] {
    if (!put) return;
    Remember(CacheKey(bucket.id, stored->name), stored);
    if (options.move) Forget(CacheKey(options.sources.front().bucket, options.sources.front().name));
  }));
  return put ? std::shared_ptr<const ObjectRow>(stored) : nullptr;
}

Result<std::shared_ptr<const ObjectRow>> Catalog::UpdateObject(const BucketRow& bucket, const std::string& name,
                                                               const Preconditions& preconditions,
                                                               std::optional<uint64_t> generation,
                                                               const std::function<Result<void>(ObjectRow&)>& update) {
  std::shared_ptr<ObjectRow> stored;
  const auto change = [&](Connection& connection) -> Result<void> {
    stored = nullptr;
    SEAMOUNT_TRY_ASSIGN(auto current, Select(connection, bucket.id, name));
    if (!current || (generation && *generation != current->generation)) return {};
    SEAMOUNT_TRY(CheckForWrite(preconditions, &*current, name));
    auto changed = std::make_shared<ObjectRow>(std::move(*current));
    SEAMOUNT_TRY(update(*changed));
    changed->metageneration += 1;
    changed->updated = Now();
    SEAMOUNT_TRY(Replace(connection, bucket.id, *changed));
    stored = std::move(changed);
    return {};
  };
  SEAMOUNT_TRY(queue_->Commit(change, [&] {
    if (stored) Remember(CacheKey(bucket.id, name), stored);
  }));
  return std::shared_ptr<const ObjectRow>(stored);
}

Result<bool> Catalog::DeleteObject(const BucketRow& bucket, const std::string& name, const Preconditions& preconditions,
                                   std::optional<uint64_t> generation) {
  bool deleted = false;
  const auto change = [&](Connection& connection) -> Result<void> {
    deleted = false;
    SEAMOUNT_TRY_ASSIGN(const auto current, Select(connection, bucket.id, name));
    if (!current || (generation && *generation != current->generation)) return {};
    SEAMOUNT_TRY(CheckForWrite(preconditions, &*current, name));
    deleted = true;
    return Retire(connection, bucket.id, *current);
  };
  SEAMOUNT_TRY(Free(change, [&] {
    if (deleted) Forget(CacheKey(bucket.id, name));
  }));
  return deleted;
}

// Walks the names in order from where the page begins. A name that folds into a prefix makes the walk jump behind all
// names with that prefix, so a folder of a million objects costs one seek. The page token is the name to go on from.
Result<Listing> Catalog::ListObjects(const BucketRow& bucket, const ListQuery& list) {
  Listing listing;
  SEAMOUNT_TRY_ASSIGN(const ListBounds bounds,
                      BoundsOf({list.prefix, list.start_offset, list.end_offset, list.page_token}));
  const std::string& until = bounds.until;
  std::string from = bounds.from;

  SEAMOUNT_TRY_ASSIGN(Reader reader, Borrow());
  const std::string sql = std::string("SELECT ") + kColumns +
                          " FROM objects WHERE bucket = ? AND name >= ? AND +retired = 0" +
                          (until.empty() ? "" : " AND name < ?") + " ORDER BY name";
  size_t metadata_bytes = 0;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(Query query, reader->Prepare(sql));
    query.Bind(bucket.id).Bind(from);
    if (!until.empty()) query.Bind(until);
    bool jump = false;
    while (!jump) {
      SEAMOUNT_TRY_ASSIGN(const bool found, query.Step());
      if (!found) return listing;
      const std::string name = query.Text(0);
      const bool full = listing.objects.size() + listing.prefixes.size() >= static_cast<size_t>(list.max_results);
      if (full || metadata_bytes > kMaxPageMetadata) {
        listing.next_page_token = PageTokenOf(name);
        return listing;
      }
      const size_t cut = list.delimiter.empty() ? std::string::npos : name.find(list.delimiter, list.prefix.size());
      if (cut == std::string::npos) {
        SEAMOUNT_TRY_ASSIGN(ObjectRow row, RowOf(query));
        metadata_bytes += query.Text(8).size();
        listing.objects.push_back(std::move(row));
        continue;
      }
      const std::string prefix = name.substr(0, cut + list.delimiter.size());
      listing.prefixes.push_back(prefix);
      if (list.include_trailing_delimiter && name == prefix) {
        SEAMOUNT_TRY_ASSIGN(ObjectRow row, RowOf(query));
        listing.objects.push_back(std::move(row));
      }
      from = AfterPrefix(prefix);
      if (from.empty()) return listing;
      jump = true;
    }
  }
}

}  // namespace seamount::server
