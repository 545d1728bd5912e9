#include "source/geotiff/variables.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <set>
#include <string>

namespace seamount::source::geotiff {
namespace {

cf::Attribute TextAttribute(std::string name, std::string text) {
  return {.name = std::move(name), .type = nd::DataType::kChar, .text = std::move(text)};
}

cf::Attribute NumberAttribute(std::string name, nd::DataType type, double number) {
  return {.name = std::move(name), .type = type, .numbers = {number}};
}

template <class Number>
std::vector<std::byte> BytesOf(const std::vector<Number>& numbers) {
  const auto bytes = std::as_bytes(std::span(numbers));
  return {bytes.begin(), bytes.end()};
}

bool SameNoData(const std::optional<double>& a, const std::optional<double>& b) {
  return a == b || (a && b && std::isnan(*a) && std::isnan(*b));
}

bool Alike(const Band& a, const Band& b) {
  return a.type == b.type && a.units == b.units && SameNoData(a.no_data, b.no_data) && a.scale == b.scale &&
         a.offset == b.offset;
}

bool AllNamed(const std::vector<Band>& bands) {
  std::set<std::string> names = {"x", "y", "band", "band_data", "spatial_ref"};
  return std::all_of(bands.begin(), bands.end(), [&](const Band& band) {
    return !band.description.empty() && band.description.find('/') == std::string::npos &&
           names.insert(band.description).second;
  });
}

// WKT of a geographic CRS begins so, in either version.
bool Geographic(const std::string& wkt) {
  return wkt.rfind("GEOGCS[", 0) == 0 || wkt.rfind("GEOGCRS[", 0) == 0 || wkt.rfind("GEODCRS[", 0) == 0;
}

TiffVariable Coordinate(const std::string& name, double origin, double step, uint64_t count, bool geographic) {
  std::vector<double> values(count);
  for (uint64_t i = 0; i < count; ++i) values[i] = origin + (static_cast<double>(i) + 0.5) * step;
  const bool x = name == "x";
  TiffVariable made;
  made.variable.name = name;
  made.variable.type = nd::DataType::kFloat64;
  made.variable.dimensions = {name};
  made.variable.shape = {count};
  made.variable.attributes = {TextAttribute("axis", x ? "X" : "Y")};
  if (geographic) {
    made.variable.attributes.push_back(TextAttribute("standard_name", x ? "longitude" : "latitude"));
    made.variable.attributes.push_back(TextAttribute("units", x ? "degrees_east" : "degrees_north"));
  } else {
    made.variable.attributes.push_back(
        TextAttribute("standard_name", x ? "projection_x_coordinate" : "projection_y_coordinate"));
  }
  made.values = BytesOf(values);
  return made;
}

TiffVariable SpatialRef(const Description& d) {
  TiffVariable made;
  made.variable.name = "spatial_ref";
  made.variable.type = nd::DataType::kInt64;
  if (!d.crs_wkt.empty()) {
    made.variable.attributes.push_back(TextAttribute("crs_wkt", d.crs_wkt));
    made.variable.attributes.push_back(TextAttribute("spatial_ref", d.crs_wkt));
  }
  if (d.transform) {
    std::string numbers;
    for (const double number : *d.transform) {
      char text[32];
      std::snprintf(text, sizeof text, "%.17g", number);
      numbers += (numbers.empty() ? "" : " ") + std::string(text);
    }
    made.variable.attributes.push_back(TextAttribute("GeoTransform", numbers));
  }
  made.values = BytesOf(std::vector<int64_t>{0});
  return made;
}

TiffVariable PlanesOf(const Description& d, std::string name, size_t first_band) {
  const Band& band = d.bands[first_band];
  TiffVariable made;
  made.first_band = static_cast<uint32_t>(first_band);
  Variable& v = made.variable;
  v.name = std::move(name);
  v.type = band.type;
  v.dimensions = {"y", "x"};
  v.shape = {d.height, d.width};
  v.chunk_shape = {std::min(d.block_height, d.height), std::min(d.block_width, d.width)};
  v.filters = "TIFF";
  if (v.type == nd::DataType::kOther) v.unreadable = "its type is complex or unknown";
  if (!band.description.empty()) v.attributes.push_back(TextAttribute("long_name", band.description));
  if (!band.units.empty()) v.attributes.push_back(TextAttribute("units", band.units));
  if (band.no_data) v.attributes.push_back(NumberAttribute("_FillValue", v.type, *band.no_data));
  if (band.scale != 1) v.attributes.push_back(NumberAttribute("scale_factor", nd::DataType::kFloat64, band.scale));
  if (band.offset != 0) v.attributes.push_back(NumberAttribute("add_offset", nd::DataType::kFloat64, band.offset));
  v.attributes.push_back(TextAttribute("grid_mapping", "spatial_ref"));
  return made;
}

}  // namespace

Variables MakeVariables(const Description& d) {
  Variables made;
  made.dimensions = {{.name = "y", .size = d.height}, {.name = "x", .size = d.width}};
  std::string remark;
  if (d.transform && (*d.transform)[2] == 0 && (*d.transform)[4] == 0) {
    const auto& t = *d.transform;
    made.variables.push_back(Coordinate("y", t[3], t[5], d.height, Geographic(d.crs_wkt)));
    made.variables.push_back(Coordinate("x", t[0], t[1], d.width, Geographic(d.crs_wkt)));
  } else {
    remark = d.transform ? "its rows are turned against y: x and y are no coordinates of their own; see GeoTransform"
                         : "nothing says where its pixels are: it has no coordinates";
  }
  made.variables.push_back(SpatialRef(d));
  const bool alike = std::all_of(d.bands.begin(), d.bands.end(), [&](const Band& b) { return Alike(b, d.bands[0]); });
  const bool named = AllNamed(d.bands);
  if (alike && !named) {
    std::vector<int64_t> numbers(d.bands.size());
    std::iota(numbers.begin(), numbers.end(), 1);
    made.dimensions.push_back({.name = "band", .size = numbers.size()});
    TiffVariable band;
    band.variable.name = "band";
    band.variable.type = nd::DataType::kInt64;
    band.variable.dimensions = {"band"};
    band.variable.shape = {numbers.size()};
    band.values = BytesOf(numbers);
    made.variables.push_back(std::move(band));
    TiffVariable all = PlanesOf(d, "band_data", 0);
    all.variable.dimensions.insert(all.variable.dimensions.begin(), "band");
    all.variable.shape.insert(all.variable.shape.begin(), numbers.size());
    all.variable.chunk_shape.insert(all.variable.chunk_shape.begin(), 1);
    std::erase_if(all.variable.attributes, [](const cf::Attribute& a) { return a.name == "long_name"; });
    made.variables.push_back(std::move(all));
  } else {
    for (size_t i = 0; i < d.bands.size(); ++i) {
      made.variables.push_back(PlanesOf(d, named ? d.bands[i].description : "band_" + std::to_string(i + 1), i));
    }
  }
  if (!remark.empty()) {
    for (TiffVariable& v : made.variables) {
      if (v.values.empty()) v.variable.remarks.push_back(remark);
    }
  }
  return made;
}

}  // namespace seamount::source::geotiff
