// What a recipe makes of the variables of a source, as a source itself: the planner then chooses from it, lays it out
// and takes its statistics, whether values are stored or computed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/facts.h"
#include "prepare/recipe.h"
#include "source/dataset.h"

namespace seamount::prepare {

struct MadeVariables {
  std::unique_ptr<const source::Dataset> dataset;  // null: the recipe makes nothing, and the source is taken as it is
  SourceFacts facts;
  std::vector<std::string> notes;  // what a person should know

  const source::Dataset& of(const source::Dataset& source) const { return dataset == nullptr ? source : *dataset; }
};

// Pure but for what the data set is asked later. The data set must outlive what comes out.
Result<MadeVariables> MakeVariables(const Recipe& recipe, const source::Dataset& dataset, const SourceFacts& facts);

}  // namespace seamount::prepare
