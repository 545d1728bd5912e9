#include "prepare/coordinate_names.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cf/calendar.h"
#include "source/united.h"

namespace seamount::prepare {
namespace {

constexpr double kHour = 3.6e9;

bool IsOfTime(const std::string& name) {
  return name == "day_of_year" || name == "hour_of_day" || name == "year_fraction" || name == "solar_declination" ||
         name == "solar_hour_angle";
}

// In radians, by the Fourier series of Spencer (1971): the declination of the sun, and the hour angle of the true sun
// at longitude 0 (with the equation of time), times being those of Greenwich.
double OfSun(const std::string& name, cf::Calendar calendar, cf::Moment moment) {
  const double a = 2 * std::numbers::pi * cf::YearFraction(calendar, moment);
  if (name == "solar_declination") {
    return 0.006918 - 0.399912 * std::cos(a) + 0.070257 * std::sin(a) - 0.006758 * std::cos(2 * a) +
           0.000907 * std::sin(2 * a) - 0.002697 * std::cos(3 * a) + 0.00148 * std::sin(3 * a);
  }
  const double equation_of_time = 0.000075 + 0.001868 * std::cos(a) - 0.032077 * std::sin(a) -
                                  0.014615 * std::cos(2 * a) - 0.040849 * std::sin(2 * a);
  const double hours = static_cast<double>(cf::DateOf(calendar, moment).microsecond) / kHour;
  return (hours - 12) / 12 * std::numbers::pi + equation_of_time;
}

double OfTime(const std::string& name, cf::Calendar calendar, cf::Moment moment) {
  if (name == "year_fraction") return cf::YearFraction(calendar, moment);
  const cf::Date date = cf::DateOf(calendar, moment);
  if (name == "hour_of_day") return static_cast<double>(date.microsecond) / kHour;
  if (name.starts_with("solar_")) return OfSun(name, calendar, moment);
  return static_cast<double>(cf::DayNumber(calendar, date.year, date.month, date.day) -
                             cf::DayNumber(calendar, date.year, 1, 1) + 1);
}

// The area of each latitude's belt, from half-way to its neighbours; the poles' reach to the poles. In mean 1.
Result<std::vector<double>> AreaWeights(const GridAxis& axis) {
  const std::vector<double>& lat = axis.values;
  if (lat.size() < 2) return base::InvalidArgument("'area_weight' needs two latitudes at least");
  const auto sine = [](double degrees) { return std::sin(std::clamp(degrees, -90.0, 90.0) * std::numbers::pi / 180); };
  std::vector<double> weights;
  double sum = 0;
  for (size_t i = 0; i < lat.size(); ++i) {
    const double before = i == 0 ? lat[0] - (lat[1] - lat[0]) / 2 : (lat[i - 1] + lat[i]) / 2;
    const double after = i + 1 == lat.size() ? lat[i] + (lat[i] - lat[i - 1]) / 2 : (lat[i] + lat[i + 1]) / 2;
    weights.push_back(std::abs(sine(after) - sine(before)));
    sum += weights.back();
  }
  for (double& weight : weights) weight *= static_cast<double>(lat.size()) / sum;
  return weights;
}

}  // namespace

bool IsCoordinateName(const std::string& name, const SourceFacts& facts) {
  if (facts.IsCoordinate(name)) return true;
  const bool taken = std::any_of(facts.variables.begin(), facts.variables.end(), [&](const source::Variable& variable) {
    return variable.name == name || source::ShortName(variable.name, variable.source) == name;
  });
  return !taken && (IsOfTime(name) || name == "area_weight");
}

Result<NodePtr> CoordinateNamed(const std::string& name, const std::vector<AxisPtr>& beside,
                                const std::map<std::string, AxisPtr>& of_source) {
  std::vector<AxisPtr> axes = beside;
  for (const auto& [unused, axis] : of_source) axes.push_back(axis);
  const auto found = std::find_if(axes.begin(), axes.end(), [&](const AxisPtr& axis) {
    if (IsOfTime(name)) return axis->dated();
    return name == "area_weight" ? axis->kind == cf::Axis::kLatitude : axis->name == name;
  });
  if (found == axes.end()) {
    return base::InvalidArgument("'" + name + "' needs " +
                                 (IsOfTime(name) ? "a time whose dates are known" : "latitudes"));
  }
  const GridAxis& axis = **found;
  std::vector<double> values = axis.values;
  if (IsOfTime(name)) {
    for (size_t t = 0; t < values.size(); ++t) values[t] = OfTime(name, axis.calendar, axis.moments[t]);
  } else if (name == "area_weight") {
    SEAMOUNT_TRY_ASSIGN(values, AreaWeights(axis));
  }
  Grid grid;
  grid.axes = {*found};
  grid.chunk = {axis.size};
  grid.exact = true;
  return NodePtr(std::make_shared<const AxisNode>(std::move(grid), std::move(values)));
}

}  // namespace seamount::prepare
