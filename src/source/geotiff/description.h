// What a GeoTIFF says of itself. It comes from the process that has GDAL (answers.h), so it is parsed like any input
// from outside.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "nd/data_type.h"

namespace seamount::source::geotiff {

struct Band {
  nd::DataType type = nd::DataType::kOther;
  std::string description;
  std::string units;
  std::optional<double> no_data;
  double scale = 1;
  double offset = 0;
};

struct Description {
  uint64_t width = 0;
  uint64_t height = 0;
  uint64_t block_width = 0;
  uint64_t block_height = 0;
  std::optional<std::array<double, 6>> transform;  // GDAL's: x = t0 + column * t1 + row * t2, y = t3 + …
  std::string crs_wkt;
  std::vector<Band> bands;
};

std::vector<std::byte> Serialize(const Description& description);
// DataLoss when the bytes are none, or say what cannot be. Any bytes are safe input.
Result<Description> ParseDescription(std::span<const std::byte> bytes);

}  // namespace seamount::source::geotiff
