// What a group repeats of the documents below it, and keeping that true when one of them changes.
#pragma once

#include <string>

#include "base/result.h"
#include "store/store.h"

namespace seamount::zarr {

// Whether the group (path as for OpenGroup) has consolidated metadata. False where there is no group.
Result<bool> IsConsolidated(Store& store, const std::string& path, const CallContext& context);
// ConsolidateMetadata where there are any already; the group's document is then a new one.
Result<void> RefreshConsolidated(Store& store, const std::string& path, const CallContext& context);

}  // namespace seamount::zarr
