#include "versions/remove.h"

#include <algorithm>
#include <atomic>
#include <set>

#include "base/text.h"
#include "exec/for_each.h"

namespace seamount::versions {
namespace {

constexpr int kDeleters = 16;
// Metadata of a removed manifest, once the version is gone for sure: counted from then on.
constexpr const char* kGone = "gone";

void Need(const Manifest& manifest, std::set<Digest>& needed) {
  for (const File& file : manifest.files) {
    for (const Chunk& chunk : file.chunks) needed.insert(chunk.digest);
  }
}

Result<void> RefuseTagged(Store& store, const std::string& name, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto tags, ListTags(store, context));
  std::vector<std::string> mean;
  for (const Tag& tag : tags) {
    if (tag.version == name) mean.push_back(tag.name);
  }
  if (mean.empty()) return {};
  return base::PreconditionFailed("version '" + name + "' is what the tag " + base::Join(mean, ", ") +
                                  " means: move or remove the tag first");
}

Result<void> WriteRemoved(Store& store, const std::string& key, const Manifest& manifest, bool gone,
                          const CallContext& context) {
  store::WriteOptions options{.content_type = "application/json"};
  if (gone) options.metadata[kGone] = "yes";
  if (!gone) options.if_generation = store::kAbsent;
  const auto written = store.Write(key, store::BytesSource(ManifestJson(manifest)), options, context);
  if (!written && !gone && written.error().code() == ErrorCode::kPreconditionFailed) return {};  // a run before
  if (!written) return written.error();
  return {};
}

// Deletes what is still as it was seen.
Result<bool> DeleteSeen(Store& store, const store::ObjectInfo& object, const CallContext& context) {
  auto deleted = store.Delete(object.key, {.if_generation = object.generation}, context);
  if (!deleted && deleted.error().code() == ErrorCode::kPreconditionFailed) return false;
  return deleted;
}

// What a run looks at, in the order in which it must: the time, then versions, then removed ones. Whoever becomes
// removed in between is seen as one or the other.
class Sweep {
 public:
  Sweep(Store& store, base::SystemTime before, const CallContext& context)
      : store_(store), before_(before), context_(context), pool_(kDeleters) {}

  Result<Freed> Run() {
    SEAMOUNT_TRY_ASSIGN(const auto versions, LoadVersions(store_, context_));
    for (const StoredVersion& version : versions) Need(version.manifest, needed_);
    SEAMOUNT_TRY(LookAtRemoved(versions));
    SEAMOUNT_TRY(DeleteChunks());
    for (const store::ObjectInfo& object : done_) SEAMOUNT_TRY(DeleteSeen(store_, object, context_));
    SEAMOUNT_TRY(DeleteLeftSaves());
    return Freed{chunks_, bytes_, waiting_bytes_};
  }

 private:
  Result<void> LookAtRemoved(const std::vector<StoredVersion>& versions) {
    SEAMOUNT_TRY_ASSIGN(const auto page, store::ListAll(store_, {.prefix = kRemoved}, context_));
    for (const store::ObjectInfo& object : page.objects) {
      SEAMOUNT_TRY_ASSIGN(const auto read, store_.Read(object.key, {}, context_));
      if (!read) continue;  // another run has freed it
      auto manifest = ParseManifest(read->data.view());
      if (!manifest) return manifest.error().Wrap(object.key);
      SEAMOUNT_TRY_ASSIGN(const auto now, store_.Stat(object.key, context_));
      if (!now) continue;
      SEAMOUNT_TRY(LookAt(*now, *manifest, versions));
    }
    return {};
  }

  Result<void> LookAt(const store::ObjectInfo& object, const Manifest& manifest,
                      const std::vector<StoredVersion>& versions) {
    const bool old = object.updated < before_;
    if (object.metadata.contains(kGone)) {
      if (old) done_.push_back(object);
      if (!old) Need(manifest, held_);
      return {};
    }
    Need(manifest, held_);
    const bool there = std::any_of(versions.begin(), versions.end(), [&](const StoredVersion& version) {
      return RemovedKey(version.manifest.name, version.object.generation) == object.key;
    });
    if (!there) return WriteRemoved(store_, object.key, manifest, /*gone=*/true, context_);
    if (old) done_.push_back(object);  // broken off before anything was removed
    return {};
  }

  Result<void> DeleteChunks() {
    store::ListOptions options{.prefix = kChunks};
    for (;;) {
      SEAMOUNT_TRY_ASSIGN(const auto page, store_.List(options, context_));
      SEAMOUNT_TRY(exec::ForEachItem(
          pool_, kDeleters, page.objects.size(), context_,
          [&](size_t i, size_t, const CallContext& inner) { return DeleteChunk(page.objects[i], inner); }));
      if (page.next_page_token.empty()) return {};
      options.page_token = page.next_page_token;
    }
  }

  Result<void> DeleteChunk(const store::ObjectInfo& object, const CallContext& context) {
    const auto digest = ChunkOfKey(object.key);
    if (!digest || needed_.contains(*digest)) return {};
    if (object.updated >= before_ || held_.contains(*digest)) {
      waiting_bytes_ += object.size_bytes;
      return {};
    }
    SEAMOUNT_TRY_ASSIGN(const bool deleted, DeleteSeen(store_, object, context));
    if (deleted) ++chunks_;
    if (deleted) bytes_ += object.size_bytes;
    return {};
  }

  Result<void> DeleteLeftSaves() {
    SEAMOUNT_TRY_ASSIGN(const auto page, store::ListAll(store_, {.prefix = kSaves}, context_));
    for (const store::ObjectInfo& object : page.objects) {
      if (object.updated < before_) SEAMOUNT_TRY(DeleteSeen(store_, object, context_));
    }
    return {};
  }

  Store& store_;
  const base::SystemTime before_;
  const CallContext& context_;
  std::set<Digest> needed_;              // by versions
  std::set<Digest> held_;                // by versions that were removed a short time ago
  std::vector<store::ObjectInfo> done_;  // records that are of no more use once the chunks are gone
  std::atomic<uint64_t> chunks_ = 0, bytes_ = 0, waiting_bytes_ = 0;
  exec::ThreadPool pool_;
};

}  // namespace

uint64_t BytesOfItsOwn(const std::vector<StoredVersion>& versions, const std::string& name) {
  std::set<Digest> others, counted;
  for (const StoredVersion& version : versions) {
    if (version.manifest.name != name) Need(version.manifest, others);
  }
  uint64_t bytes = 0;
  for (const StoredVersion& version : versions) {
    if (version.manifest.name != name) continue;
    for (const File& file : version.manifest.files) {
      for (const Chunk& chunk : file.chunks) {
        if (!others.contains(chunk.digest) && counted.insert(chunk.digest).second) bytes += chunk.size;
      }
    }
  }
  return bytes;
}

Result<void> RemoveVersion(Store& store, const std::string& name, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto version, FindVersion(store, name, context));
  if (!version)
    return base::NotFound("there is no version '" + name + "' (a tag is removed with `version tag --delete`)");
  SEAMOUNT_TRY(RefuseTagged(store, name, context));
  const std::string removed = RemovedKey(name, version->object.generation);
  SEAMOUNT_TRY(WriteRemoved(store, removed, version->manifest, /*gone=*/false, context));
  // A tag may have been set meanwhile; one that is set from here on sees that the version is being removed (SetTag).
  if (auto tagged = RefuseTagged(store, name, context); !tagged) {
    SEAMOUNT_TRY(store.Delete(removed, {}, context));
    return tagged;
  }
  SEAMOUNT_TRY(DeleteSeen(store, {.key = VersionKey(name), .generation = version->object.generation}, context));
  return WriteRemoved(store, removed, version->manifest, /*gone=*/true, context);
}

Result<Freed> FreeUnneeded(Store& store, base::Duration save_time, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const ServerTime time, ServerTime::Take(store, "freeing of chunks", context));
  return Sweep(store, time.taken() - 2 * save_time, context).Run();
}

}  // namespace seamount::versions
