#include "zarr/documents.h"

namespace seamount::zarr {

std::string JoinPath(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "/" + std::string(name);
}

Result<std::optional<Document>> ReadDocument(Store& store, const std::string& key, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto read, store.Read(key, {}, context));
  if (!read) return std::optional<Document>();
  return std::optional<Document>({std::move(read->data), read->info.generation});
}

Result<void> WriteDocument(Store& store, const std::string& key, std::string_view text, bool overwrite,
                           const CallContext& context) {
  // Documents are replaced while readers look at them: what a proxy or Google keeps for an hour would be an old state.
  store::WriteOptions options{.content_type = "application/json", .headers = {.cache_control = "no-cache"}};
  if (!overwrite) options.if_generation = store::kAbsent;
  SEAMOUNT_TRY(store.Write(key, store::BytesSource(text), options, context));
  return {};
}

Result<void> ClearNode(Store& store, const std::string& path, std::string_view document, bool overwrite,
                       const CallContext& context) {
  for (const char* name : {"zarr.json", ".zarray", ".zgroup", ".zmetadata"}) {
    if (overwrite && name == document) continue;
    const std::string key = JoinPath(path, name);
    SEAMOUNT_TRY_ASSIGN(const auto there, store.Stat(key, context));
    if (there && !overwrite) return base::PreconditionFailed("there is an array or group already ('" + key + "')");
    if (there) SEAMOUNT_TRY(store.Delete(key, {}, context));
  }
  return {};
}

}  // namespace seamount::zarr
