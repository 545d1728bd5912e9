#include "versions/repository.h"

#include <algorithm>
#include <array>
#include <random>

#include "base/encoding.h"
#include "base/text.h"
#include "exec/for_each.h"

namespace seamount::versions {
namespace {

constexpr int kReaders = 16;
constexpr std::string_view kJson = ".json";

// The name in "versions/NAME.json"; empty for what else may lie there.
std::string NameOf(const std::string& key) {
  const size_t prefix = std::string_view(kVersions).size();
  if (!key.ends_with(kJson) || key.size() <= prefix + kJson.size()) return "";
  std::string name = key.substr(prefix, key.size() - prefix - kJson.size());
  return CheckName(name) ? name : "";
}

Result<std::vector<std::string>> VersionNames(Store& store, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto page, store::ListAll(store, {.prefix = kVersions}, context));
  std::vector<std::string> names;
  for (const auto& object : page.objects) {
    if (std::string name = NameOf(object.key); !name.empty()) names.push_back(std::move(name));
  }
  return names;
}

Result<std::optional<Tag>> FindTag(Store& store, const std::string& name, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto read, store.Read(TagKey(name), {}, context));
  if (!read) return std::optional<Tag>();
  Tag tag{name, std::string(read->data.view()), read->info.generation};
  if (!CheckName(tag.version)) return base::DataLoss("the tag '" + name + "' does not name a version");
  return std::optional(std::move(tag));
}

std::string RandomName() {
  std::random_device device;
  std::array<uint32_t, 4> words{};
  for (uint32_t& word : words) word = device();
  return base::HexEncode(std::as_bytes(std::span(words)));
}

}  // namespace

std::string VersionKey(const std::string& name) { return kVersions + name + std::string(kJson); }

std::string TagKey(const std::string& tag) { return kTags + tag; }

std::string RemovedKey(const std::string& name, const store::Generation& generation) {
  return kRemoved + name + "/" + base::PercentEncode(generation.text()) + std::string(kJson);
}

std::string ChunkKey(const Digest& digest) {
  const std::string hex = ToHex(digest);
  return kChunks + hex.substr(0, 2) + "/" + hex;
}

std::optional<Digest> ChunkOfKey(const std::string& key) {
  const auto digest = FromHex(std::string_view(key).substr(key.rfind('/') + 1));
  return digest && ChunkKey(*digest) == key ? digest : std::nullopt;
}

Result<std::optional<StoredVersion>> FindVersion(Store& store, const std::string& name, const CallContext& context) {
  SEAMOUNT_TRY(CheckName(name));
  SEAMOUNT_TRY_ASSIGN(const auto read, store.Read(VersionKey(name), {}, context));
  if (!read) return std::optional<StoredVersion>();
  auto manifest = ParseManifest(read->data.view());
  if (!manifest) return manifest.error().Wrap("version '" + name + "', object '" + VersionKey(name) + "'");
  if (manifest->name != name)
    return base::DataLoss("version '" + name + "': its manifest is that of '" + manifest->name + "'");
  return std::optional(StoredVersion{*std::move(manifest), read->info});
}

Result<StoredVersion> LoadVersion(Store& store, const std::string& name, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto version, FindVersion(store, name, context));
  if (version) return *std::move(version);
  SEAMOUNT_TRY_ASSIGN(const auto tag, FindTag(store, name, context));
  if (tag) {
    SEAMOUNT_TRY_ASSIGN(version, FindVersion(store, tag->version, context));
    if (version) return *std::move(version);
    return base::NotFound("the tag '" + name + "' means version '" + tag->version + "', which does not exist");
  }
  SEAMOUNT_TRY_ASSIGN(std::vector<std::string> names, VersionNames(store, context));
  SEAMOUNT_TRY_ASSIGN(const auto tags, ListTags(store, context));
  for (const Tag& other : tags) names.push_back(other.name);
  return base::NotFound("there is no version '" + name + "'" +
                        (names.empty() ? ", nor any other" : base::NameHint(name, names)));
}

Result<std::vector<StoredVersion>> LoadVersions(Store& store, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto names, VersionNames(store, context));
  std::vector<std::optional<StoredVersion>> found(names.size());
  exec::ThreadPool pool(static_cast<int>(std::clamp<size_t>(names.size(), 1, kReaders)));
  SEAMOUNT_TRY(exec::ForEachItem(pool, static_cast<size_t>(pool.threads()), names.size(), context,
                                 [&](size_t i, size_t, const CallContext& inner) -> Result<void> {
                                   SEAMOUNT_TRY_ASSIGN(found[i], FindVersion(store, names[i], inner));
                                   return {};
                                 }));
  std::vector<StoredVersion> versions;
  for (auto& version : found) {  // one that was removed meanwhile is none
    if (version) versions.push_back(*std::move(version));
  }
  std::stable_sort(versions.begin(), versions.end(),
                   [](const StoredVersion& a, const StoredVersion& b) { return a.object.updated < b.object.updated; });
  return versions;
}

Result<std::vector<Tag>> ListTags(Store& store, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto page, store::ListAll(store, {.prefix = kTags}, context));
  std::vector<Tag> tags;
  for (const auto& object : page.objects) {
    const std::string name = object.key.substr(std::string_view(kTags).size());
    if (!CheckName(name)) continue;
    SEAMOUNT_TRY_ASSIGN(auto tag, FindTag(store, name, context));
    if (tag) tags.push_back(*std::move(tag));
  }
  return tags;
}

Result<std::string> SetTag(Store& store, const std::string& tag, const std::string& version,
                           const CallContext& context) {
  SEAMOUNT_TRY(CheckName(tag));
  SEAMOUNT_TRY_ASSIGN(const auto same_name, FindVersion(store, tag, context));
  if (same_name) return base::InvalidArgument("the tag '" + tag + "' would have the name of a version: choose another");
  SEAMOUNT_TRY_ASSIGN(const auto found, FindVersion(store, version, context));
  if (!found) return base::NotFound("there is no version '" + version + "' that '" + tag + "' could mean");
  SEAMOUNT_TRY_ASSIGN(const auto before, FindTag(store, tag, context));
  auto written = store.Write(
      TagKey(tag), store::BytesSource(version),
      {.if_generation = before ? before->generation : store::kAbsent, .content_type = "text/plain"}, context);
  if (!written && written.error().code() == ErrorCode::kPreconditionFailed)
    return base::PreconditionFailed("the tag '" + tag + "' was moved by somebody else at the same time: look again");
  if (!written) return written.error();
  // A removal first says that it is going to remove, and then looks for tags (remove.cc): one of the two sees the
  // other.
  SEAMOUNT_TRY_ASSIGN(const auto removing, store.Stat(RemovedKey(version, found->object.generation), context));
  SEAMOUNT_TRY_ASSIGN(const auto still, store.Stat(VersionKey(version), context));
  if (!removing && still) return before ? before->version : "";
  if (before) {
    SEAMOUNT_TRY(store.Write(TagKey(tag), store::BytesSource(before->version),
                             {.if_generation = written->generation, .content_type = "text/plain"}, context));
  } else {
    SEAMOUNT_TRY(store.Delete(TagKey(tag), {.if_generation = written->generation}, context));
  }
  return base::PreconditionFailed("version '" + version + "' is being removed: the tag '" + tag + "' is as it was");
}

Result<bool> RemoveTag(Store& store, const std::string& tag, const CallContext& context) {
  SEAMOUNT_TRY(CheckName(tag));
  return store.Delete(TagKey(tag), {}, context);
}

Result<ServerTime> ServerTime::Take(Store& store, const std::string& doing, const CallContext& context) {
  ServerTime time(store, kSaves + RandomName(), doing);
  SEAMOUNT_TRY_ASSIGN(time.taken_, time.Now(context));
  return time;
}

ServerTime::ServerTime(ServerTime&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      key_(std::move(other.key_)),
      text_(std::move(other.text_)),
      taken_(other.taken_) {}

ServerTime::~ServerTime() {
  if (store_ != nullptr)
    (void)store_->Delete(key_, {}, {.deadline = base::RealClock().Now() + std::chrono::seconds(10)});
}

Result<base::SystemTime> ServerTime::Now(const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(const auto written,
                      store_->Write(key_, store::BytesSource(text_), {.content_type = "text/plain"}, context));
  return written.updated;
}

}  // namespace seamount::versions
