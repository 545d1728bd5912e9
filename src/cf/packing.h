// What attributes say of how numbers are stored (CF conventions, section 8.1; NetCDF User's Guide, "Attribute
// conventions"). docs/packing.md lists what is applied, and where xarray and netCDF4-python read differently.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cf/attribute.h"
#include "nd/data_type.h"

namespace seamount::cf {

enum class ValidRange {
  kApply,   // what lies outside valid_min, valid_max, valid_range is missing
  kIgnore,  // as xarray does
};

struct Options {
  ValidRange valid_range = ValidRange::kApply;
};

// How stored numbers become values. `missing` and the limits are stored numbers, compared before scaling.
struct Packing {
  nd::DataType type = nd::DataType::kOther;  // as which the stored bytes are read: _Unsigned changes the sign
  std::vector<double> missing;               // _FillValue, missing_value, the fill of what was never written
  std::optional<double> valid_min;
  std::optional<double> valid_max;
  double scale = 1;
  double offset = 0;
  std::vector<std::string> remarks;  // attributes that mean nothing, and so were ignored: for people

  bool scales() const { return scale != 1 || offset != 0; }
  // Of `stored` elements: decoding changes nothing but the type.
  bool identity(nd::DataType stored) const {
    return missing.empty() && !valid_min && !valid_max && !scales() && type == stored;
  }
};

// `fill`: the stored number of what was never written, where the format says so beside the attributes: netCDF's default
// fill, the fill_value of Zarr v2. It counts where there is no _FillValue; zero counts only where numbers are packed,
// since it is what writers put there when nobody said anything. InvalidArgument where scale_factor or add_offset are
// not one finite number (scale_factor not 0): then the values cannot be known.
Result<Packing> ParsePacking(std::span<const Attribute> attributes, nd::DataType stored, std::optional<double> fill,
                             const Options& options = {});

// The fill of what was never written, by netCDF's default (NC_FILL_…). nullopt for types of one byte, where every value
// may be meant, as netCDF itself has it.
std::optional<double> DefaultFill(nd::DataType type);

}  // namespace seamount::cf
