#include "zarr/whole_group.h"

#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "zarr/documents.h"

namespace seamount::zarr {
namespace {

const char* DocumentOf(int format) { return format == 3 ? "zarr.json" : ".zgroup"; }

}  // namespace

Result<std::optional<store::Generation>> GroupGeneration(Store& store, const std::string& path, int format,
                                                         const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto info, store.Stat(JoinPath(path, DocumentOf(format)), context));
  if (!info) return std::optional<store::Generation>();
  return std::optional(info->generation);
}

Result<std::optional<GroupMetadata>> OpenWholeGroup(Store& store, const std::string& path, const CallContext& context) {
  auto metadata = OpenGroup(store, path, context);
  if (metadata) return std::optional(*std::move(metadata));
  if (metadata.error().code() != ErrorCode::kNotFound) return metadata.error();
  SEAMOUNT_TRY_ASSIGN(const auto record, store.Stat(JoinPath(path, kPrepareRecord), context));
  if (!record) return std::optional<GroupMetadata>();
  return base::PreconditionFailed("the Zarr group" + (path.empty() ? "" : " '" + path + "'") +
                                  " is half-written: 'seamount prepare' is at work there, or was interrupted; wait for "
                                  "it, or give the same command again to finish it");
}

bool HasEveryObject(const std::string& attributes_json) {
  if (base::NestsDeeper(attributes_json)) return false;
  const auto attributes = nlohmann::json::parse(attributes_json, nullptr, false);
  if (!attributes.is_object()) return false;
  const auto own = attributes.find("seamount");
  return own != attributes.end() && own->is_object() && own->value("every_object", nlohmann::json()) == true;
}

}  // namespace seamount::zarr
