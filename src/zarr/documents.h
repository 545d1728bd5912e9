// Metadata documents as objects of a store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/store.h"

namespace seamount::zarr {

// path: without trailing '/'; the store's root is "".
std::string JoinPath(const std::string& path, std::string_view name);

struct Document {
  Bytes data;
  store::Generation generation;
  std::string_view text() const { return data.view(); }
};
// nullopt: absent.
Result<std::optional<Document>> ReadDocument(Store& store, const std::string& key, const CallContext& context);
// PreconditionFailed when it exists, unless `overwrite`.
Result<void> WriteDocument(Store& store, const std::string& key, std::string_view text, bool overwrite,
                           const CallContext& context);
// Before a node is created: PreconditionFailed when one of either format is there; with `overwrite` its documents are
// deleted, since one of another kind or format would be read instead of the new one. All but `document`, which the
// caller is about to replace, so that there is always something to read.
Result<void> ClearNode(Store& store, const std::string& path, std::string_view document, bool overwrite,
                       const CallContext& context);

}  // namespace seamount::zarr
