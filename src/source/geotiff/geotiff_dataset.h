// GeoTIFF, COGs and BigTIFF too, by GDAL in a process of its own (child.h).
//
// Bands that have descriptions of their own, or differ in type or packing, are variables (height, width) by those
// descriptions, or band_1, band_2, …; else all are one, band_data (band, y, x), as rioxarray has it. x and y are the
// centres of pixels; spatial_ref is the grid mapping, with the CRS as crs_wkt. Files beside it (.aux.xml, .ovr) are not
// looked at.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "source/dataset.h"
#include "source/file.h"

namespace seamount::source::geotiff {

// II*, MM*, and BigTIFF's.
bool IsTiff(std::span<const std::byte, 4> magic);

// InvalidArgument where the machine has no GDAL, with how to get it, and where the file is no local one.
Result<std::unique_ptr<Dataset>> OpenGeoTiff(std::shared_ptr<const File> file);

}  // namespace seamount::source::geotiff
