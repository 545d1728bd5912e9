// What the document of the group says of the whole.
#pragma once

#include <string>

#include "prepare/facts.h"
#include "prepare/recipe.h"
#include "prepare/selection.h"

namespace seamount::prepare {

// The group's attributes: those of the source, and where it all came from. `id` names the content (zarr/whole_group.h).
std::string GroupAttributes(const Recipe& recipe, const SourceFacts& facts, const SelectionPlan& selection,
                            const std::string& id);

}  // namespace seamount::prepare
