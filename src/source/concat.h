// Several files as one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "source/dataset.h"

namespace seamount::source {

// Opens the files in the order given as one, concatenated along the dimension `along` (empty: the unlimited dimension,
// or the one with time units, of the first file). All must hold the same variables in the same layout.
Result<std::unique_ptr<Dataset>> OpenMany(const std::vector<std::string>& paths, const std::string& along);

}  // namespace seamount::source
