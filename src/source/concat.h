// Several files as one.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "cf/packing.h"
#include "source/dataset.h"
#include "source/remote.h"

namespace seamount::source {

// Opens the files as one along the dimension `along` (empty: the one with time units, or the unlimited dimension, of
// the first file that has one). Files follow one another by their coordinates (without one, in the order given); those
// that hold other variables of the same steps are put side by side. Each is decoded by its own attributes: where
// packing, type or time units differ, the joined variable holds values (NaN where missing; times in the first file's
// units, months and years in days). What does not fit together makes a variable unreadable, not the whole: it is an
// error only for who asks for it. `first_valid`: a dimension that goes before files are joined (first_valid.h); empty:
// none. `dimensions` takes the names of what the files have, that one included.
Result<std::unique_ptr<Dataset>> OpenMany(const std::vector<std::string>& paths, const std::string& along,
                                          const cf::Options& options = {}, Remote* remote = nullptr,
                                          const std::string& first_valid = {},
                                          std::set<std::string>* dimensions = nullptr);

}  // namespace seamount::source
