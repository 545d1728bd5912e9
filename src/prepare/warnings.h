// What a recipe may say and hardly anybody means: splits that share what they are made of, statistics of what is held
// out, chunks of a size that will hurt, variables that hold one value or none. Each with its line and what to do.
#pragma once

#include <string>
#include <vector>

#include "prepare/plan.h"
#include "prepare/recipe.h"
#include "prepare/survey.h"

namespace seamount::prepare {

// Of recipe and plan alone.
std::vector<std::string> PlanWarnings(const Recipe& recipe, const Plan& plan);
// Of the values.
std::vector<std::string> ValueWarnings(const Recipe& recipe, const Plan& plan, const Survey& survey);

}  // namespace seamount::prepare
