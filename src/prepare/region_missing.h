// What a region of the output holds of missing values: as the record keeps it, so that a run that goes on knows it of
// what was written before.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "prepare/time_axis.h"

namespace seamount::prepare {

struct RegionMissing {
  uint64_t missing = 0;
  // Steps of the output, and places along DataArray::level, that hold nothing else within the region.
  std::vector<Stretch> steps = {};
  std::vector<Stretch> levels = {};
  bool operator==(const RegionMissing&) const = default;
};

// By the fingerprints of tasks; those that are not there miss nothing.
using MissingByTask = std::map<std::string, RegionMissing>;

}  // namespace seamount::prepare
