// Where versions lie: the keys below a URL, and the reading and naming of versions. Everything is relative to the store
// that is handed in, which has nothing else in it:
//
//   versions/NAME.json           manifest; written once, with "must not exist"
//   chunks/ab/ab12…              chunk, named by the SHA-256 of its bytes
//   tags/NAME                    the name of the version that the tag means
//   saves/…                      a save under way; tells the server's time
//   removed/NAME/GENERATION.json manifest of a removed version, until its chunks are freed (remove.h)
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"
#include "versions/manifest.h"

namespace seamount::versions {

inline constexpr const char *kVersions = "versions/", *kChunks = "chunks/", *kTags = "tags/", *kSaves = "saves/",
                            *kRemoved = "removed/";

// A save must take less, and takes for granted what was written less than so long before it began. What no version
// needs is freed after two of these: docs/decisions/101 has the proof that no save loses anything.
inline constexpr base::Duration kSaveTime = std::chrono::hours(24 * 7);

std::string VersionKey(const std::string& name);
std::string ChunkKey(const Digest& digest);
std::string TagKey(const std::string& tag);
// Of the manifest of a version that is removed, or about to be.
std::string RemovedKey(const std::string& name, const store::Generation& generation);
// Of the key of a chunk; nothing of any other key.
std::optional<Digest> ChunkOfKey(const std::string& key);

struct StoredVersion {
  Manifest manifest;
  store::ObjectInfo object;
};
// Nothing where there is none. `name` is a version's.
Result<std::optional<StoredVersion>> FindVersion(Store& store, const std::string& name, const CallContext& context);
// A version by its name or by a tag. NotFound says which there are.
Result<StoredVersion> LoadVersion(Store& store, const std::string& name, const CallContext& context);
// All of them, by the time of saving.
Result<std::vector<StoredVersion>> LoadVersions(Store& store, const CallContext& context);

struct Tag {
  std::string name, version;
  store::Generation generation;
};
Result<std::vector<Tag>> ListTags(Store& store, const CallContext& context);
// Makes the tag mean that version, in one step: whoever looks sees the old or the new one. What it meant before, empty
// if it is new. NotFound without such a version, PreconditionFailed where somebody else moved the tag at the same time
// or the version is being removed, InvalidArgument where a version has the tag's name.
Result<std::string> SetTag(Store& store, const std::string& tag, const std::string& version,
                           const CallContext& context);
// False when there was none.
Result<bool> RemoveTag(Store& store, const std::string& tag, const CallContext& context);

// An object that says what is being done, and by its time of writing what time it is at the server. Goes with this
// object; one that is left by a killed program is removed with what no version needs.
class ServerTime {
 public:
  static Result<ServerTime> Take(Store& store, const std::string& doing, const CallContext& context);
  ServerTime(ServerTime&& other) noexcept;
  ServerTime& operator=(ServerTime&&) = delete;
  ~ServerTime();
  base::SystemTime taken() const { return taken_; }
  Result<base::SystemTime> Now(const CallContext& context) const;

 private:
  ServerTime(Store& store, std::string key, std::string text)
      : store_(&store), key_(std::move(key)), text_(std::move(text)) {}
  Store* store_;
  std::string key_, text_;
  base::SystemTime taken_;
};

}  // namespace seamount::versions
