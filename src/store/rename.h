// Renaming on any store.
#pragma once

#include <string>

#include "store/store.h"

namespace seamount::store {

// Store::Move where the store has it. Elsewhere a conditional Copy and a conditional Delete that keep what matters of
// Move's contract: of several who rename one source, one succeeds, and nothing is lost. Whoever finds the source gone
// or replaced when it is to be deleted takes its copy back (unless that has overwritten something: then it stays, as
// does the error). What is not kept: for a moment both names are there, and if the Delete's outcome stays unknown
// (Unavailable), they may remain so.
Result<ObjectInfo> Rename(Store& store, const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context);

}  // namespace seamount::store
