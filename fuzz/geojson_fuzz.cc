// Areas in GeoJSON: what is read lies within the degrees there are, and may be looked into.
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "prepare/polygons.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::prepare;
  const auto polygons = ParseGeoJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!polygons) return 0;
  for (const Polygon& polygon : *polygons) {
    for (const Ring& ring : polygon) {
      for (const MapPoint& point : ring) {
        if (!(std::abs(point.lat) <= 90) || !std::isfinite(point.lon)) std::abort();
      }
    }
  }
  (void)Inside(*polygons, {-90, 0, 45.5, 90}, {-180, 0, 12.25, 359});
  return 0;
}
