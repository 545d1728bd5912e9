// Whether what lies in a group is whole, and one state of it.
//
// The contract of `seamount prepare` with readers, which costs them one read:
// - The group's own document (zarr.json, or .zgroup) is written last, and deleted before the first object of a finished
//   group is changed. So a group with its document is whole. One without it, but with the record kPrepareRecord beside
//   the arrays, is half-written: its arrays may lack chunks, or hold old and new ones.
// - The document's generation names the state: what was read between two looks that found the same generation is of one
//   state. Its attribute seamount.id names the content: equal ids are equal values.
// - An array's attribute seamount.every_object says that each chunk (or shard) was written: one that is absent is lost.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "store/store.h"
#include "zarr/group.h"

namespace seamount::zarr {

inline constexpr const char* kPrepareRecord = ".seamount-prepare.json";

// nullopt when there is no group: arrays may lie there all the same. PreconditionFailed when it is half-written.
Result<std::optional<GroupMetadata>> OpenWholeGroup(Store& store, const std::string& path, const CallContext& context);

// The generation of the group's document, nullopt when it is gone: what a reader compares with the one it opened.
Result<std::optional<store::Generation>> GroupGeneration(Store& store, const std::string& path, int format,
                                                         const CallContext& context);

// Whether an array's attributes say so. Any text is safe input.
bool HasEveryObject(const std::string& attributes_json);

}  // namespace seamount::zarr
