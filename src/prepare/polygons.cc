#include "prepare/polygons.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "base/json_depth.h"

namespace seamount::prepare {
namespace {

using Json = nlohmann::json;

constexpr size_t kShownBytes = 80;
constexpr double kCircle = 360;
constexpr double kMostDegrees = 720;
constexpr double kBelowPole = 90 - 1e-9;  // the pole is a northern edge, and belongs to the area that reaches it

std::string Shown(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, kShownBytes);
}

Result<Ring> ReadRing(const Json& json) {
  if (!json.is_array() || json.size() < 3) return base::InvalidArgument("a ring has three points at least");
  Ring ring;
  ring.reserve(json.size());
  for (const Json& point : json) {
    const bool pair = point.is_array() && point.size() >= 2 && point[0].is_number() && point[1].is_number();
    if (!pair) return base::InvalidArgument("a point is [longitude, latitude], and not " + Shown(point));
    const MapPoint here{point[0].get<double>(), point[1].get<double>()};
    if (!(std::abs(here.lon) <= kMostDegrees) || !(std::abs(here.lat) <= 90)) {
      return base::InvalidArgument(
          "the point " + Shown(point) +
          " is no [longitude, latitude] in degrees: projected maps are to be transformed first");
    }
    ring.push_back(here);
  }
  return ring;
}

Result<void> ReadPolygon(const Json& rings, std::vector<Polygon>& out) {
  if (!rings.is_array() || rings.empty()) return base::InvalidArgument("a Polygon has no 'coordinates'");
  Polygon polygon;
  for (const Json& ring : rings) {
    SEAMOUNT_TRY_ASSIGN(polygon.emplace_back(), ReadRing(ring));
  }
  out.push_back(std::move(polygon));
  return {};
}

// Nesting is bounded by what NestsDeeper lets through.
Result<void> ReadObject(const Json& json, std::vector<Polygon>& out) {
  if (json.is_null()) return {};  // a feature without a place
  const Json type = json.is_object() ? json.value("type", Json()) : Json();
  if (!type.is_string()) return base::InvalidArgument("it is no GeoJSON: there is no 'type'");
  const auto& name = type.get_ref<const std::string&>();
  const auto each = [&](const char* key, const auto& read) -> Result<void> {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_array()) {
      return base::InvalidArgument("a " + name + " without a list of '" + std::string(key) + "'");
    }
    for (const Json& item : *found) SEAMOUNT_TRY(read(item));
    return {};
  };
  const auto object = [&](const Json& item) { return ReadObject(item, out); };
  if (name == "FeatureCollection") return each("features", object);
  if (name == "GeometryCollection") return each("geometries", object);
  if (name == "Feature") return ReadObject(json.value("geometry", Json()), out);
  if (name == "MultiPolygon") return each("coordinates", [&](const Json& item) { return ReadPolygon(item, out); });
  if (name == "Polygon") return ReadPolygon(json.value("coordinates", Json()), out);
  return base::InvalidArgument("it has a " + name + ": areas are Polygon or MultiPolygon");
}

// Longitudes at which the polygon's rings cross a latitude, in order: between the first and the second is inside.
std::vector<double> Crossings(const Polygon& polygon, double lat) {
  std::vector<double> out;
  for (const Ring& ring : polygon) {
    for (size_t i = 0; i < ring.size(); ++i) {
      const MapPoint& a = ring[i];
      const MapPoint& b = ring[(i + 1) % ring.size()];
      if ((a.lat <= lat) == (b.lat <= lat)) continue;
      out.push_back(a.lon + (lat - a.lat) / (b.lat - a.lat) * (b.lon - a.lon));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// In any of the circles that the crossings reach over.
bool Within(const std::vector<double>& crossings, double lon) {
  if (crossings.empty()) return false;
  for (double at = lon + kCircle * std::ceil((crossings.front() - lon) / kCircle); at <= crossings.back();
       at += kCircle) {
    const auto west = std::upper_bound(crossings.begin(), crossings.end(), at) - crossings.begin();
    if (west % 2 == 1) return true;
  }
  return false;
}

}  // namespace

Result<std::vector<Polygon>> ParseGeoJson(std::string_view text) {
  if (text.size() > kMaxGeoJsonBytes) return base::InvalidArgument("it is longer than any map of areas (64 MiB)");
  const Json json = base::NestsDeeper(text) ? Json() : Json::parse(text, nullptr, false);
  if (json.is_discarded() || json.is_null()) return base::InvalidArgument("it is no JSON");
  std::vector<Polygon> out;
  SEAMOUNT_TRY(ReadObject(json, out));
  if (out.empty()) return base::InvalidArgument("there is no area in it");
  return out;
}

std::vector<bool> Inside(const std::vector<Polygon>& polygons, const std::vector<double>& lat,
                         const std::vector<double>& lon) {
  std::vector<bool> out(lat.size() * lon.size(), false);
  for (const Polygon& polygon : polygons) {
    for (size_t y = 0; y < lat.size(); ++y) {
      const std::vector<double> crossings = Crossings(polygon, std::min(lat[y], kBelowPole));
      if (crossings.empty()) continue;
      for (size_t x = 0; x < lon.size(); ++x) {
        if (Within(crossings, lon[x])) out[y * lon.size() + x] = true;
      }
    }
  }
  return out;
}

}  // namespace seamount::prepare
