// Names of coordinates in expressions: "lat" is the latitude of the variables beside it, "day_of_year" their time's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/node.h"

namespace seamount::prepare {

// A coordinate of the source; or one of day_of_year, hour_of_day, year_fraction (of time) and area_weight (of latitude:
// the share of the sphere, in mean 1), unless a variable has that name.
bool IsCoordinateName(const std::string& name, const SourceFacts& facts);

// Along the axis that it belongs to: of those that are used beside it, else of the source's.
Result<NodePtr> CoordinateNamed(const std::string& name, const std::vector<AxisPtr>& beside,
                                const std::map<std::string, AxisPtr>& of_source);

}  // namespace seamount::prepare
