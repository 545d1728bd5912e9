// The files that a recipe's sources stand for, and what is in them.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "prepare/recipe.h"
#include "source/dataset.h"
#include "source/remote.h"

namespace seamount::prepare {

struct Sources {
  std::unique_ptr<source::Dataset> dataset;
  bool far = false;  // some of it lies on another machine
};

// Opens all of it, relative paths taken from `directory`. NotFound names the pattern without a match. What comes out
// reads by `remote`, which must outlive it.
Result<Sources> OpenSources(const Recipe& recipe, const std::string& directory, source::Remote& remote);

}  // namespace seamount::prepare
