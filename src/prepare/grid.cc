#include "prepare/grid.h"

#include <algorithm>

namespace seamount::prepare {
namespace {

AxisPtr Finished(GridAxis axis) {
  axis.size = axis.values.size();
  axis.of_source = false;
  std::erase_if(axis.attributes, [](const cf::Attribute& attribute) {
    return attribute.name == "bounds" || attribute.name == "climatology" || attribute.name == "actual_range" ||
           cf::IsPackingAttribute(attribute.name);
  });
  return std::make_shared<const GridAxis>(std::move(axis));
}

}  // namespace

bool SameAxis(const GridAxis& a, const GridAxis& b) {
  if (&a == &b) return true;
  return a.name == b.name && a.size == b.size && a.values == b.values && a.moments == b.moments &&
         a.calendar == b.calendar;
}

nd::Index Grid::shape() const {
  nd::Index shape;
  for (const AxisPtr& axis : axes) shape.push_back(axis->size);
  return shape;
}

std::optional<size_t> Grid::Find(const std::string& dimension) const {
  for (size_t d = 0; d < axes.size(); ++d) {
    if (axes[d]->name == dimension) return d;
  }
  cf::Axis kind = cf::Axis::kOther;
  if (dimension == "lat" || dimension == "latitude") kind = cf::Axis::kLatitude;
  if (dimension == "lon" || dimension == "longitude") kind = cf::Axis::kLongitude;
  if (dimension == "time") kind = cf::Axis::kTime;
  for (size_t d = 0; d < axes.size() && kind != cf::Axis::kOther; ++d) {
    if (axes[d]->kind == kind) return d;
  }
  return std::nullopt;
}

std::string Grid::units() const { return cf::TextOf(attributes, "units").value_or(""); }

void SetText(std::vector<cf::Attribute>& attributes, const std::string& name, const std::string& text) {
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [&](const cf::Attribute& attribute) { return attribute.name == name; });
  const cf::Attribute made{name, nd::DataType::kChar, text, {}};
  if (found == attributes.end()) {
    if (!text.empty()) attributes.push_back(made);
  } else if (text.empty()) {
    attributes.erase(found);
  } else {
    *found = made;
  }
}

// A gap before a place where steps were missing already; and where some are left out, if that is felt.
std::vector<uint64_t> GapsLeft(const GridAxis& axis, const std::vector<uint64_t>& places) {
  cf::Moment shortest = 0;
  for (size_t i = 1; i < places.size() && axis.dated(); ++i) {
    const cf::Moment step = axis.moments[places[i]] - axis.moments[places[i - 1]];
    shortest = i == 1 ? step : std::min(shortest, step);
  }
  std::vector<uint64_t> gaps;
  for (size_t i = 1; i < places.size() && axis.dated(); ++i) {
    const auto next = std::upper_bound(axis.gaps.begin(), axis.gaps.end(), places[i - 1]);
    const bool missing = next != axis.gaps.end() && *next <= places[i];
    const cf::Moment step = axis.moments[places[i]] - axis.moments[places[i - 1]];
    const bool left_out = places[i] != places[i - 1] + 1 && step > shortest + shortest / 2;
    if (missing || left_out) gaps.push_back(i);
  }
  return gaps;
}

AxisPtr PickFrom(const GridAxis& axis, const std::vector<uint64_t>& places) {
  GridAxis out = axis;
  out.values.clear();
  out.moments.clear();
  for (const uint64_t place : places) {
    if (!axis.values.empty()) out.values.push_back(axis.values[place]);
    if (axis.dated()) out.moments.push_back(axis.moments[place]);
  }
  out.size = places.size();
  out.gaps = GapsLeft(axis, places);
  if (!axis.values.empty()) return Finished(std::move(out));
  out.of_source = false;
  return std::make_shared<const GridAxis>(std::move(out));
}

Result<AxisPtr> WithMoments(const GridAxis& axis, std::vector<cf::Moment> moments, std::vector<uint64_t> gaps) {
  GridAxis out = axis;
  const std::string calendar = cf::TextOf(axis.attributes, "calendar").value_or("");
  SEAMOUNT_TRY_ASSIGN(cf::TimeUnits units,
                      cf::TimeUnits::Parse(cf::TextOf(axis.attributes, "units").value_or(""), calendar));
  if (!units.linear()) {
    units = units.InDays();
    SetText(out.attributes, "units", units.ToString());
  }
  out.values.clear();
  for (const cf::Moment moment : moments) out.values.push_back(units.FromMoment(moment));
  out.moments = std::move(moments);
  out.gaps = std::move(gaps);
  return Finished(std::move(out));
}

AxisPtr WithValues(const GridAxis& axis, std::vector<double> values) {
  GridAxis out = axis;
  out.values = std::move(values);
  out.moments.clear();
  out.gaps.clear();
  return Finished(std::move(out));
}

}  // namespace seamount::prepare
