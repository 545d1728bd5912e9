// Groups: what arrays lie in, with attributes of their own, and the consolidated metadata by which a reader opens a
// whole tree with one request.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace seamount::zarr {

// path: the group's prefix in the store, without trailing '/'; "" is the store's root.

struct GroupMetadata {
  int format = 3;                      // 3 or 2
  std::string attributes_json = "{}";  // an object
  store::Generation generation{};      // of the document, which was read before any of the rest
};

// PreconditionFailed when an array or group is there already, unless `overwrite`, which replaces the group's own
// documents and leaves its members.
Result<void> CreateGroup(Store& store, const std::string& path, const GroupMetadata& metadata, bool overwrite,
                         const CallContext& context);

// NotFound when there is no group (nor array) there; InvalidArgument when it is an array.
Result<GroupMetadata> OpenGroup(Store& store, const std::string& path, const CallContext& context);

enum class NodeKind { kArray, kGroup };
struct GroupMember {
  std::string name;
  NodeKind kind;
};
// The arrays and groups directly within, by name. What is neither is left out. Lists and reads every member's document.
Result<std::vector<GroupMember>> ListMembers(Store& store, const std::string& path, const CallContext& context);

// Writes the metadata of everything below into the group's own document: inline in zarr.json as zarr-python 3 does, or
// .zmetadata. To be called after the last array was created or its attributes changed: readers believe it.
Result<void> ConsolidateMetadata(Store& store, const std::string& path, const CallContext& context);

}  // namespace seamount::zarr
