// What a recipe makes of the variables of a source, as a source itself: the planner then chooses from it, lays it out
// and takes its statistics, whether values are stored or computed.
#pragma once

#include "base/result.h"
#include "prepare/facts.h"
#include "prepare/made_dataset.h"
#include "prepare/recipe.h"
#include "source/dataset.h"

namespace seamount::prepare {

// Pure but for what the data set is asked later. The data set must outlive what comes out.
Result<MadeVariables> MakeVariables(const Recipe& recipe, const source::Dataset& dataset, const SourceFacts& facts);

}  // namespace seamount::prepare
