#include "zarr/whole_group.h"

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

Result<std::optional<GroupState>> OpenWholeGroup(Store& store, const std::string& path, const CallContext& context) {
  for (const int format : {3, 2}) {
    // The generation first: metadata that are read later can only be newer, and then the next look sees it.
    SEAMOUNT_TRY_ASSIGN(const auto generation, GroupGeneration(store, path, format, context));
    if (!generation) continue;
    auto metadata = OpenGroup(store, path, context);
    if (!metadata && metadata.error().code() == ErrorCode::kNotFound) continue;  // deleted just now
    if (!metadata) return metadata.error();
    return std::optional(GroupState{*generation, *std::move(metadata)});
  }
  SEAMOUNT_TRY_ASSIGN(const auto record, store.Stat(JoinPath(path, kPrepareRecord), context));
  if (!record) return std::optional<GroupState>();
  return base::PreconditionFailed("the Zarr group" + (path.empty() ? "" : " '" + path + "'") +
                                  " is half-written: 'seamount prepare' is at work there, or was interrupted; wait for "
                                  "it, or give the same command again to finish it");
}

}  // namespace seamount::zarr
