// A climatology: coefficients of the plan's basis at every point, and the array that keeps them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "exec/byte_budget.h"
#include "nd/data_type.h"
#include "prepare/plan.h"
#include "zarr/metadata.h"

namespace seamount::prepare {

// Coefficients of one data array's climatology: terms × points, points being the other output dimensions in C order.
struct Climatology {
  std::vector<double> coefficients;
  uint64_t points = 0;
  exec::ByteLease lease;  // of the coefficients
};

// The array that holds the coefficients of one data array's climatology.
zarr::ArrayMetadata ClimatologyMetadata(const DataArray& array, const Basis& basis);
std::string ClimatologyName(const DataArray& array);

// The coefficients in the type of their array, as they are stored.
std::vector<std::byte> CoefficientBytes(const Climatology& climatology, nd::DataType type);

}  // namespace seamount::prepare
