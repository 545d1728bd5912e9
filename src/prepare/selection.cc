#include "prepare/selection.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace seamount::prepare {
namespace {

constexpr double kCircle = 360;
// Coordinates are often float32: a box of [0, 30] must take 30.000001 as 30.
constexpr double kTolerance = 1e-5;

Error At(const Recipe& recipe, int line, const std::string& what) {
  return base::InvalidArgument(recipe.name + " line " + std::to_string(line) + ": " + what);
}

std::string Plain(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string ValueRange(const std::vector<double>& values) {
  if (values.empty()) return "it is empty";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return "its values go from " + Plain(*low) + " to " + Plain(*high);
}

class Planner {
 public:
  Planner(const Recipe& recipe, const SourceFacts& facts) : recipe_(recipe), facts_(facts) {}
  Result<SelectionPlan> Run();

 private:
  Result<PlannedDimension*> Dimension(const std::string& key, int line, bool axes);
  Result<void> Select(const Selection& selection);
  Result<void> Cut(const BoxRange& range);
  Result<void> CutLongitude(const BoxRange& range, const std::vector<double>& values, PlannedDimension& out);
  Result<void> FindTime();
  Result<IndexRun> Steps(const DateRange& range, const std::vector<source::Moment>& moments) const;

  const Recipe& recipe_;
  const SourceFacts& facts_;
  SelectionPlan plan_;
};

// By name, or for boxes also by what the coordinate is: "lat", "lon".
Result<PlannedDimension*> Planner::Dimension(const std::string& key, int line, bool axes) {
  std::vector<std::string> names;
  for (PlannedDimension& dimension : plan_.dimensions) {
    if (dimension.name == key) return &dimension;
    names.push_back(dimension.name);
  }
  source::Axis axis = source::Axis::kOther;
  if (axes && (key == "lat" || key == "latitude")) axis = source::Axis::kLatitude;
  if (axes && (key == "lon" || key == "longitude")) axis = source::Axis::kLongitude;
  for (const Coordinate& coordinate : facts_.coordinates) {
    if (axis == source::Axis::kOther || coordinate.axis != axis) continue;
    return Dimension(facts_.variables[coordinate.variable].name, line, false);
  }
  return At(recipe_, line, "the source has no dimension '" + key + "'" + base::NameHint(key, names));
}

Result<void> Planner::Select(const Selection& selection) {
  SEAMOUNT_TRY_ASSIGN(PlannedDimension * dimension, Dimension(selection.dimension, selection.line, false));
  const std::string name = "dimension '" + dimension->name + "'";
  uint64_t index = selection.index.value_or(0);
  if (selection.index && index >= dimension->size) {
    return At(recipe_, selection.line,
              name + " has no index " + std::to_string(index) + ": its size is " + std::to_string(dimension->size));
  }
  if (selection.value) {
    const Coordinate* coordinate = facts_.FindCoordinate(dimension->name);
    if (coordinate == nullptr || coordinate->values.empty()) {
      return At(recipe_, selection.line, name + " has no coordinate values: select it by {index: …}");
    }
    const std::vector<double>& values = coordinate->values;
    const auto distance = [&](double v) {
      const double d = std::abs(v - *selection.value);
      return coordinate->axis == source::Axis::kLongitude ? std::abs(std::remainder(d, kCircle)) : d;
    };
    const auto nearest =
        std::min_element(values.begin(), values.end(), [&](double a, double b) { return distance(a) < distance(b); });
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const double step = values.size() > 1 ? (*high - *low) / static_cast<double>(values.size() - 1) : 0;
    if (distance(*nearest) > std::max(step, std::abs(*selection.value) * kTolerance)) {
      return At(recipe_, selection.line,
                name + " has nothing near " + Plain(*selection.value) + ": " + ValueRange(values));
    }
    index = static_cast<uint64_t>(nearest - values.begin());
  }
  dimension->runs = {{index, 1}};
  dimension->size = 1;
  dimension->dropped = true;
  return {};
}

Result<void> Planner::Cut(const BoxRange& range) {
  SEAMOUNT_TRY_ASSIGN(PlannedDimension * dimension, Dimension(range.key, range.line, true));
  const Coordinate* coordinate = facts_.FindCoordinate(dimension->name);
  if (dimension->dropped) return At(recipe_, range.line, "'" + dimension->name + "' is selected and cut at once");
  if (coordinate == nullptr)
    return At(recipe_, range.line, "dimension '" + dimension->name + "' has no coordinate values");
  const std::vector<double>& values = coordinate->values;
  if (coordinate->axis == source::Axis::kLongitude) return CutLongitude(range, values, *dimension);
  const double low = std::min(range.from, range.to);
  const double high = std::max(range.from, range.to);
  std::vector<IndexRun> runs;
  for (uint64_t i = 0; i < values.size(); ++i) {
    if (values[i] < low - kTolerance || values[i] > high + kTolerance) continue;
    if (runs.empty() || runs.back().start + runs.back().count != i) runs.push_back({i, 0});
    ++runs.back().count;
  }
  if (runs.empty()) {
    return At(recipe_, range.line,
              "nothing of '" + dimension->name + "' lies in [" + Plain(range.from) + ", " + Plain(range.to) +
                  "]: " + ValueRange(values));
  }
  if (runs.size() > 1) return At(recipe_, range.line, "the values of '" + dimension->name + "' are not in order");
  dimension->runs = runs;
  dimension->size = runs[0].count;
  return {};
}

// Longitudes are taken modulo 360 into [from, from + 360); what is kept may then begin in the middle of the source.
Result<void> Planner::CutLongitude(const BoxRange& range, const std::vector<double>& values, PlannedDimension& out) {
  double to = range.to;
  while (to < range.from) to += kCircle;
  const auto moved = [&](double value) {
    const double turn = std::floor((value - range.from + kTolerance) / kCircle);
    return turn == 0 ? value : value - turn * kCircle;
  };
  std::vector<IndexRun> runs;
  for (uint64_t i = 0; i < values.size(); ++i) {
    if (moved(values[i]) > to + kTolerance) continue;
    const bool joins = !runs.empty() && runs.back().start + runs.back().count == i &&
                       std::abs(moved(values[i]) - moved(values[i - 1])) < kCircle / 2;
    if (!joins) runs.push_back({i, 0});
    ++runs.back().count;
  }
  if (runs.empty()) {
    return At(recipe_, range.line,
              "nothing of '" + out.name + "' lies in [" + Plain(range.from) + ", " + Plain(range.to) +
                  "]: " + ValueRange(values));
  }
  if (runs.size() > 2) return At(recipe_, range.line, "the values of '" + out.name + "' are not in order");
  const bool descending = values.size() > 1 && values[1] < values[0];
  if (runs.size() == 2 && (moved(values[runs[0].start]) > moved(values[runs[1].start])) != descending) {
    std::swap(runs[0], runs[1]);
  }
  out.runs = runs;
  out.size = 0;
  bool changed = false;
  std::vector<double> labels;
  for (const IndexRun& run : runs) {
    out.size += run.count;
    for (uint64_t i = run.start; i < run.start + run.count; ++i) {
      labels.push_back(moved(values[i]));
      changed = changed || labels.back() != values[i];
    }
  }
  if (changed) out.relabeled = std::move(labels);
  return {};
}

Result<IndexRun> Planner::Steps(const DateRange& range, const std::vector<source::Moment>& moments) const {
  const source::Calendar calendar = plan_.time->calendar;
  const auto date = [&](const std::string& text) -> Result<source::ParsedDate> {
    auto parsed = source::ParseDate(calendar, text);
    if (!parsed) return At(recipe_, range.line, parsed.error().message());
    return parsed;
  };
  SEAMOUNT_TRY_ASSIGN(const source::ParsedDate from, date(range.from));
  SEAMOUNT_TRY_ASSIGN(const source::ParsedDate to, date(range.to));
  const auto first = std::lower_bound(moments.begin(), moments.end(), source::MomentOf(calendar, from.date));
  const auto last = std::lower_bound(first, moments.end(), to.end);
  if (first == last) {
    const std::string there = moments.empty() ? "it is empty"
                                              : "it goes from " + source::FormatMoment(calendar, moments.front()) +
                                                    " to " + source::FormatMoment(calendar, moments.back());
    return At(recipe_, range.line, "no time step lies in [" + range.from + ", " + range.to + "]: " + there);
  }
  return IndexRun{static_cast<uint64_t>(first - moments.begin()), static_cast<uint64_t>(last - first)};
}

Result<void> Planner::FindTime() {
  const int line = recipe_.time ? recipe_.time->line : recipe_.split.empty() ? 1 : recipe_.split.front().line;
  const bool asked = recipe_.time || !recipe_.split.empty() || recipe_.anomaly;
  for (const Coordinate& coordinate : facts_.coordinates) {
    if (coordinate.axis != source::Axis::kTime) continue;
    const source::Variable& variable = facts_.variables[coordinate.variable];
    PlannedDimension* dimension = *Dimension(variable.name, line, false);
    if (dimension->dropped) continue;
    TimeAxis axis;
    axis.dimension = variable.name;
    const auto units =
        source::TimeUnits::Parse(variable.Text("units").value_or(""), variable.Text("calendar").value_or(""));
    if (!units && !asked) continue;
    if (!units) return units.error().Wrap("reading the time of " + facts_.files.front().path);
    axis.calendar = units->calendar();
    auto moments = units->ToMoments(coordinate.values);
    if (!moments && !asked) continue;
    if (!moments) return moments.error().Wrap("reading '" + variable.name + "' of " + facts_.files.front().path);
    if (asked && !std::is_sorted(moments->begin(), moments->end())) {
      return base::InvalidArgument("the times of '" + variable.name + "' of " + facts_.files.front().path +
                                   " are not in order");
    }
    axis.moments = *std::move(moments);
    plan_.time = std::move(axis);
    if (recipe_.time) {
      SEAMOUNT_TRY_ASSIGN(const IndexRun run, Steps(*recipe_.time, plan_.time->moments));
      dimension->runs = {run};
      dimension->size = run.count;
      const auto begin = plan_.time->moments.begin() + static_cast<std::ptrdiff_t>(run.start);
      plan_.time->moments = {begin, begin + static_cast<std::ptrdiff_t>(run.count)};
    }
    return {};
  }
  if (asked) return At(recipe_, line, "the source has no time coordinate (units 'UNIT since DATE')");
  return {};
}

Result<SelectionPlan> Planner::Run() {
  for (const source::Dimension& dimension : facts_.dimensions) {
    PlannedDimension planned;
    planned.name = dimension.name;
    planned.runs = {{0, dimension.size}};
    planned.size = dimension.size;
    plan_.dimensions.push_back(std::move(planned));
  }
  for (const Selection& selection : recipe_.select) SEAMOUNT_TRY(Select(selection));
  for (const BoxRange& range : recipe_.box) SEAMOUNT_TRY(Cut(range));
  SEAMOUNT_TRY(FindTime());
  for (const DateRange& range : recipe_.split) {
    SEAMOUNT_TRY_ASSIGN(const IndexRun run, Steps(range, plan_.time->moments));
    plan_.splits.push_back({range.name, run.start, run.start + run.count});
  }
  return std::move(plan_);
}

}  // namespace

const PlannedDimension& SelectionPlan::Find(const std::string& dimension) const {
  return *std::find_if(dimensions.begin(), dimensions.end(), [&](const auto& d) { return d.name == dimension; });
}

Result<SelectionPlan> PlanSelection(const Recipe& recipe, const SourceFacts& facts) {
  return Planner(recipe, facts).Run();
}

Result<SplitRange> FindSplit(const Recipe& recipe, const SelectionPlan& plan, const std::string& name, int line) {
  std::vector<std::string> names;
  for (const SplitRange& split : plan.splits) {
    if (split.name == name) return split;
    names.push_back(split.name);
  }
  if (name == "all") return SplitRange{"all", 0, plan.time ? plan.time->moments.size() : 0};
  names.emplace_back("all");
  return At(recipe, line, "there is no split '" + name + "'" + base::NameHint(name, names));
}

}  // namespace seamount::prepare
