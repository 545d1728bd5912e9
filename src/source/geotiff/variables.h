// The bands of a GeoTIFF as variables with coordinates. A pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "source/dataset.h"
#include "source/geotiff/description.h"

namespace seamount::source::geotiff {

struct TiffVariable {
  Variable variable;
  std::vector<std::byte> values;  // of a coordinate, in native order
  uint32_t first_band = 0;        // else: that of the first plane
};

struct Variables {
  std::vector<Dimension> dimensions;
  std::vector<TiffVariable> variables;
};

Variables MakeVariables(const Description& description);

}  // namespace seamount::source::geotiff
