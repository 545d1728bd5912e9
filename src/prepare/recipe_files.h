// The files that a recipe's sources stand for.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/recipe.h"
#include "source/remote.h"

namespace seamount::prepare {

// Paths and addresses, in order, relative paths taken from `directory`. NotFound names the pattern without a match.
Result<std::vector<std::string>> ResolveSources(const Recipe& recipe, const std::string& directory,
                                                source::Remote& remote);

}  // namespace seamount::prepare
