// What a coordinate measures.
#pragma once

#include <span>
#include <string>

#include "cf/attribute.h"

namespace seamount::cf {

enum class Axis { kLatitude, kLongitude, kTime, kOther };
// By its units, axis, standard_name and, last, its name.
Axis AxisOf(const std::string& coordinate, std::span<const Attribute> attributes);

}  // namespace seamount::cf
