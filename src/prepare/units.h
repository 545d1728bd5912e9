// Units of measure, as UDUNITS-2 knows them. The library is loaded when it is first needed: a machine that converts
// nothing need not have it.
#pragma once

#include <string>

#include "base/result.h"

namespace seamount::prepare {

// value in the new units = value · factor + offset.
struct Conversion {
  double factor = 1;
  double offset = 0;
};

// InvalidArgument where a unit is unknown or the two measure different things; Unavailable says how to get the library.
// Thread-safe.
Result<Conversion> FindConversion(const std::string& from, const std::string& to);

}  // namespace seamount::prepare
