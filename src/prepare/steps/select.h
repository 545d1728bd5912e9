// Places of a dimension, as a step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "prepare/step.h"

namespace seamount::prepare {

// In any order.
std::unique_ptr<Step> PickPlaces(size_t dimension, std::vector<uint64_t> places);

}  // namespace seamount::prepare
