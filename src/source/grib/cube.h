// The fields of a GRIB file as variables, named and shaped as cfgrib and xarray do. A pure function.
//
// Fields of one name, kind of level, kind of step and grid are one variable. Its dimensions are number, time, step and
// the kind of level (isobaricInhPa …), then those of the grid. What has one value only, but for time, is a scalar
// coordinate: files are joined along time. Unlike cfgrib, nothing of the file is left out: two variables of one name
// are told apart by a suffix (_heightAboveGround, _accum), and so are coordinates of the same name that differ (_2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "source/dataset.h"
#include "source/grib/index.h"

namespace seamount::source::grib {

inline constexpr size_t kNoField = SIZE_MAX;

struct CubeVariable {
  Variable variable;
  // A coordinate: its values, dense and in native order. Of others, empty.
  std::vector<std::byte> values;
  // For each position in the dimensions before those of the grid, in C order, which of the index's fields.
  std::vector<size_t> fields;
  size_t grid = 0;  // which of the index's
};

struct Cube {
  std::vector<Dimension> dimensions;
  std::vector<CubeVariable> variables;
  std::vector<cf::Attribute> attributes;
};

Cube MakeCube(const Index& index);

}  // namespace seamount::source::grib
