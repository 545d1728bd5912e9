// Areas of a map, as GeoJSON has them: rings of longitude and latitude.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::prepare {

struct MapPoint {
  double lon = 0;
  double lat = 0;
};
// Closed, whether or not its last point is its first.
using Ring = std::vector<MapPoint>;
// The first ring is the outline, the others are holes.
using Polygon = std::vector<Ring>;

inline constexpr size_t kMaxGeoJsonBytes = 64 << 20;  // coastlines of the world at 1:10 million have 10 MiB

// All polygons of a FeatureCollection, Feature, GeometryCollection, Polygon or MultiPolygon. InvalidArgument where
// there is none, or anything else; any bytes are safe input.
Result<std::vector<Polygon>> ParseGeoJson(std::string_view text);

// For each latitude and longitude whether it lies in one of the polygons, rows of longitudes. Longitudes that are whole
// circles apart are the same. Of what lies on an edge, the western and southern ones are inside, the others are not, so
// that of two areas that meet one has it; a pole is inside what reaches it.
std::vector<bool> Inside(const std::vector<Polygon>& polygons, const std::vector<double>& lat,
                         const std::vector<double>& lon);

}  // namespace seamount::prepare
