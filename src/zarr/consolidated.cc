#include "zarr/consolidated.h"

#include <nlohmann/json.hpp>

#include "zarr/codecs/json.h"
#include "zarr/documents.h"
#include "zarr/group.h"

namespace seamount::zarr {

Result<bool> IsConsolidated(Store& store, const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto v3, ReadDocument(store, JoinPath(path, "zarr.json"), context));
  if (v3) {
    SEAMOUNT_TRY_ASSIGN(const Json json, ParseJsonObject(v3->text()));
    const auto found = json.find("consolidated_metadata");
    return found != json.end() && found->is_object();
  }
  SEAMOUNT_TRY_ASSIGN(const auto v2, store.Stat(JoinPath(path, ".zmetadata"), context));
  return v2.has_value();
}

Result<void> RefreshConsolidated(Store& store, const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const bool consolidated, IsConsolidated(store, path, context));
  if (!consolidated) return {};
  return ConsolidateMetadata(store, path, context);
}

}  // namespace seamount::zarr
