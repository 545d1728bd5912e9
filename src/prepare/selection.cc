#include "prepare/selection.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "cf/axis.h"
#include "cf/calendar.h"

namespace seamount::prepare {
namespace {

constexpr double kCircle = 360;
constexpr double kMostDegrees = 3 * kCircle;  // a longitude further out is a slip, or in other units

Error At(const Recipe& recipe, int line, const std::string& what) {
  return base::InvalidArgument(recipe.name + " line " + std::to_string(line) + ": " + what);
}

std::string ValueRange(const std::vector<double>& values) {
  if (values.empty()) return "it is empty";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return "its values go from " + PlainNumber(*low) + " to " + PlainNumber(*high);
}

// All of a few, else how far they reach.
std::string ValueList(const std::vector<double>& values) {
  constexpr size_t kFew = 12;
  if (values.size() > kFew) return ValueRange(values);
  std::string out = "it has ";
  for (size_t i = 0; i < values.size(); ++i) out += (i > 0 ? ", " : "") + PlainNumber(values[i]);
  return out;
}

// Coordinates are often float32, so that a box of [0, 30] must take 30.000001 as 30: a thousandth of the mean spacing,
// but no less than float32 rounds away, and no more than what sums of many steps go astray (the seam of a real file is
// at 20.1666667 and 380.1666307); on a coarse grid 180 is no part of [-180, 179.9].
double Tolerance(const std::vector<double>& values, double bound) {
  if (values.empty()) return 0;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double spacing = values.size() > 1 ? (*high - *low) / static_cast<double>(values.size() - 1) : 0;
  if (!std::isfinite(spacing)) return std::abs(bound) * 1e-7;
  const double rounding = std::max({std::abs(bound), std::abs(*low), std::abs(*high)}) * 1e-7;
  return std::clamp(spacing * 1e-3, rounding, rounding * 100);
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
  bool Uses(const std::string& dimension) const;
  Result<void> AddSplits();
  Result<SplitRange> StepsOfSplit(const Split& split);

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
  cf::Axis axis = cf::Axis::kOther;
  if (axes && (key == "lat" || key == "latitude")) axis = cf::Axis::kLatitude;
  if (axes && (key == "lon" || key == "longitude")) axis = cf::Axis::kLongitude;
  for (const Coordinate& coordinate : facts_.coordinates) {
    if (axis == cf::Axis::kOther || coordinate.axis != axis) continue;
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
      return At(recipe_, selection.line,
                name + " has no coordinate values (select it by {index: …})" + facts_.WhyNoCoordinate(dimension->name));
    }
    const std::vector<double>& values = coordinate->values;
    const auto distance = [&](double v) {
      const double d = std::abs(v - *selection.value);
      return coordinate->axis == cf::Axis::kLongitude ? std::abs(std::remainder(d, kCircle)) : d;
    };
    const auto nearest =
        std::min_element(values.begin(), values.end(), [&](double a, double b) { return distance(a) < distance(b); });
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const double step = values.size() > 1 ? (*high - *low) / static_cast<double>(values.size() - 1) : 0;
    const double tolerance = Tolerance(values, *selection.value);
    if (!(distance(*nearest) <= std::max(step, tolerance))) {
      return At(recipe_, selection.line,
                name + " has nothing near " + PlainNumber(*selection.value) + ": " + ValueRange(values));
    }
    if (!(distance(*nearest) <= tolerance)) {
      if (!selection.nearest) {
        return At(recipe_, selection.line,
                  name + " has no " + PlainNumber(*selection.value) + ": " + ValueList(values) +
                      " (to have the nearest: {" + dimension->name + ": {value: " + PlainNumber(*selection.value) +
                      ", method: nearest}})");
      }
      plan_.notes.push_back("of '" + dimension->name + "' the value " + PlainNumber(*nearest) +
                            " is taken, the nearest to " + PlainNumber(*selection.value));
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
  if (dimension->cut) return At(recipe_, range.line, "'" + dimension->name + "' is cut twice");
  dimension->cut = true;
  if (coordinate == nullptr)
    return At(recipe_, range.line,
              "dimension '" + dimension->name + "' has no coordinate values" + facts_.WhyNoCoordinate(dimension->name));
  const std::vector<double>& values = coordinate->values;
  if (coordinate->axis == cf::Axis::kLongitude) return CutLongitude(range, values, *dimension);
  const double low = std::min(range.from, range.to);
  const double high = std::max(range.from, range.to);
  const double least = low - Tolerance(values, low);
  const double most = high + Tolerance(values, high);
  std::vector<IndexRun> runs;
  for (uint64_t i = 0; i < values.size(); ++i) {
    if (!(values[i] >= least && values[i] <= most)) continue;
    if (runs.empty() || runs.back().start + runs.back().count != i) runs.push_back({i, 0});
    ++runs.back().count;
  }
  if (runs.empty()) {
    return At(recipe_, range.line,
              "nothing of '" + dimension->name + "' lies in [" + PlainNumber(range.from) + ", " +
                  PlainNumber(range.to) + "]: " + ValueRange(values));
  }
  if (runs.size() > 1) return At(recipe_, range.line, "the values of '" + dimension->name + "' are not in order");
  dimension->runs = runs;
  dimension->size = runs[0].count;
  return {};
}

// Where a longitude stands on the way round from `low`: itself if it lies in the range, else moved by whole turns into
// [low, low + 360).
double OnTheWay(double value, double low, double high, double tolerance) {
  if (value >= low - tolerance && value <= high + tolerance) return value;
  const double turn = std::floor((value - low + tolerance) / kCircle);
  return turn == 0 ? value : value - turn * kCircle;
}

// What is kept may begin in the middle of the source, and then consists of two runs.
Result<void> Planner::CutLongitude(const BoxRange& range, const std::vector<double>& values, PlannedDimension& out) {
  if (std::abs(range.from) > kMostDegrees || std::abs(range.to) > kMostDegrees) {
    return At(recipe_, range.line, "longitudes are degrees, from -360 to 720 at most");
  }
  double to = range.to;
  while (to < range.from) to += kCircle;
  const double tolerance = Tolerance(values, kCircle);
  std::vector<double> moved;
  for (const double value : values) moved.push_back(OnTheWay(value, range.from, to, tolerance));
  // Files that close the circle hold its seam twice, as at 0 and at 360; where both have become the same, one is left.
  const bool seam_twice = values.size() > 1 && std::abs(moved.back() - moved.front()) <= tolerance;
  std::vector<IndexRun> runs;
  for (uint64_t i = 0; i < values.size() - (seam_twice ? 1 : 0); ++i) {
    if (!(moved[i] <= to + tolerance)) continue;
    const bool joins =
        !runs.empty() && runs.back().start + runs.back().count == i && std::abs(moved[i] - moved[i - 1]) < kCircle / 2;
    if (!joins) runs.push_back({i, 0});
    ++runs.back().count;
  }
  if (runs.empty()) {
    return At(recipe_, range.line,
              "nothing of '" + out.name + "' lies in [" + PlainNumber(range.from) + ", " + PlainNumber(range.to) +
                  "]: " + ValueRange(values));
  }
  if (runs.size() > 2) return At(recipe_, range.line, "the values of '" + out.name + "' are not in order");
  const bool descending = values.size() > 1 && values[1] < values[0];
  if (runs.size() == 2 && (moved[runs[0].start] > moved[runs[1].start]) != descending) std::swap(runs[0], runs[1]);
  out.runs = runs;
  out.size = 0;
  bool changed = false;
  std::vector<double> labels;
  for (const IndexRun& run : runs) {
    out.size += run.count;
    for (uint64_t i = run.start; i < run.start + run.count; ++i) {
      labels.push_back(moved[i]);
      changed = changed || moved[i] != values[i];
    }
  }
  if (changed) out.relabeled = std::move(labels);
  return {};
}

Result<void> Planner::FindTime() {
  const int line = recipe_.time ? recipe_.time->line : recipe_.split.empty() ? 1 : recipe_.split.front().line;
  const bool asked = recipe_.time || !recipe_.split.empty() || recipe_.anomaly;
  if (asked && recipe_.disorder_allowed) {
    return At(recipe_, line, "'time', 'split' and 'anomaly' need times in order, and 'disorder: allow' gives that up");
  }
  std::string selected;
  for (const Coordinate& coordinate : facts_.coordinates) {
    if (coordinate.axis != cf::Axis::kTime) continue;
    const source::Variable& variable = facts_.variables[coordinate.variable];
    PlannedDimension* dimension = *Dimension(variable.name, line, false);
    if (dimension->dropped) {
      selected = variable.name;
      continue;
    }
    TimeAxis axis;
    axis.dimension = variable.name;
    const auto units =
        cf::TimeUnits::Parse(variable.Text("units").value_or(""), variable.Text("calendar").value_or(""));
    if (!units && !asked) continue;
    if (!units) return units.error().Wrap("reading the time of " + facts_.files.front().path);
    axis.calendar = units->calendar();
    auto moments = units->ToMoments(coordinate.values);
    if (!moments && !asked) continue;
    if (!moments) return moments.error().Wrap("reading '" + variable.name + "' of " + facts_.files.front().path);
    axis.moments = *std::move(moments);
    const bool used = asked || Uses(variable.name);
    if (used) SEAMOUNT_TRY(CheckOrder(recipe_, facts_, variable.name, axis.calendar, axis.moments));
    if (recipe_.time) {
      if (dimension->cut) return At(recipe_, line, "'" + dimension->name + "' is cut twice, by 'box' and by 'time'");
      SEAMOUNT_TRY_ASSIGN(const Stretch steps, StepsOf(recipe_, *recipe_.time, axis.calendar, axis.moments));
      dimension->runs = {{steps.start, steps.stop - steps.start}};
      dimension->size = steps.stop - steps.start;
    }
    // A 'box' may have cut it too.
    const IndexRun run = dimension->runs.front();
    const auto begin = axis.moments.begin() + static_cast<std::ptrdiff_t>(run.start);
    axis.moments = {begin, begin + static_cast<std::ptrdiff_t>(run.count)};
    if (used) SEAMOUNT_TRY(FindSegments(recipe_, facts_, run.start, coordinate.gaps, axis));
    plan_.time = std::move(axis);
    return {};
  }
  if (asked && !selected.empty()) {
    return At(recipe_, line,
              "'select' leaves one step of '" + selected + "': there is no time left to cut, split or average");
  }
  if (asked) return At(recipe_, line, "the source has no time coordinate (units 'UNIT since DATE')");
  return {};
}

// Whether what the recipe asks for has the dimension, as far as can be seen here.
bool Planner::Uses(const std::string& dimension) const {
  return std::any_of(recipe_.variables.begin(), recipe_.variables.end(), [&](const Requested& named) {
    return std::any_of(facts_.variables.begin(), facts_.variables.end(), [&](const source::Variable& variable) {
      return variable.name == named.name && variable.DimensionIndex(dimension);
    });
  });
}

uint64_t Shared(const SplitRange& a, const SplitRange& b) {
  uint64_t shared = 0;
  for (const Stretch& one : a.stretches()) {
    for (const Stretch& other : b.stretches()) {
      const uint64_t from = std::max(one.start, other.start);
      const uint64_t to = std::min(one.stop, other.stop);
      shared += from < to ? to - from : 0;
    }
  }
  return shared;
}

Result<SplitRange> Planner::StepsOfSplit(const Split& split) {
  const TimeAxis& time = *plan_.time;
  Stretch whole{0, time.moments.size()};
  if (split.range) {
    SEAMOUNT_TRY_ASSIGN(whole, StepsOf(recipe_, *split.range, time.calendar, time.moments));
  }
  SplitRange out{split.name, whole.start, whole.stop};
  if (split.years.empty() && split.parity.empty()) return out;
  std::set<uint64_t> found;
  for (uint64_t t = whole.start; t < whole.stop; ++t) {
    const int64_t year = cf::DateOf(time.calendar, time.moments[t]).year;
    const bool named =
        std::find(split.years.begin(), split.years.end(), static_cast<uint64_t>(year)) != split.years.end();
    if (split.parity.empty() ? !named : (year % 2 == 0) != (split.parity == "even")) continue;
    found.insert(static_cast<uint64_t>(year));
    if (!out.some.empty() && out.some.back().stop == t) {
      ++out.some.back().stop;
    } else {
      out.some.push_back({t, t + 1});
    }
  }
  if (out.some.empty())
    return At(recipe_, split.line, "no time step of the split '" + split.name + "' lies in these years");
  for (const uint64_t year : split.years) {
    if (found.contains(year)) continue;
    plan_.notes.push_back("the split '" + split.name + "' names the year " + std::to_string(year) +
                          ", of which there is no step");
  }
  out.start = out.some.front().start;
  out.stop = out.some.back().stop;
  if (out.some.size() == 1) out.some.clear();
  return out;
}

// Splits may share steps or end beyond the data; that is said, since it is seldom meant.
Result<void> Planner::AddSplits() {
  for (const Split& split : recipe_.split) {
    const TimeAxis& time = *plan_.time;
    SEAMOUNT_TRY_ASSIGN(SplitRange steps, StepsOfSplit(split));
    for (const SplitRange& other : plan_.splits) {
      const uint64_t shared = Shared(other, steps);
      if (shared == 0) continue;
      plan_.notes.push_back("the splits '" + other.name + "' and '" + split.name + "' share " + std::to_string(shared) +
                            (shared == 1 ? " step" : " steps"));
    }
    plan_.splits.push_back(std::move(steps));
    if (!split.range) continue;
    const DateRange& range = *split.range;
    const auto from = cf::ParseDate(time.calendar, range.from);
    const auto to = cf::ParseDate(time.calendar, range.to);
    const cf::Moment step = time.moments.size() > 1 ? time.moments[1] - time.moments[0] : 0;
    const bool before = from && cf::MomentOf(time.calendar, from->date) + step < time.moments.front();
    const bool beyond = to && to->end > time.moments.back() + 2 * step;
    if (step > 0 && (before || beyond)) {
      plan_.notes.push_back("the split '" + split.name + "' [" + range.from + ", " + range.to +
                            "] reaches outside the data, which go from " +
                            cf::FormatMoment(time.calendar, time.moments.front()) + " to " +
                            cf::FormatMoment(time.calendar, time.moments.back()));
    }
  }
  return {};
}

std::vector<uint64_t> JoinsOf(const SourceFacts& facts, const std::string& dimension) {
  std::set<uint64_t> starts;  // files of other variables may lie side by side
  for (const source::FileIdentity& file : facts.files) {
    if (file.join_dimension == dimension) starts.insert(file.join_start);
  }
  return {starts.begin(), starts.end()};
}

Result<SelectionPlan> Planner::Run() {
  for (const source::Dimension& dimension : facts_.dimensions) {
    PlannedDimension planned;
    planned.name = dimension.name;
    planned.runs = {{0, dimension.size}};
    planned.size = dimension.size;
    planned.joins = JoinsOf(facts_, dimension.name);
    plan_.dimensions.push_back(std::move(planned));
  }
  for (const Selection& selection : recipe_.select) SEAMOUNT_TRY(Select(selection));
  for (const BoxRange& range : recipe_.box) SEAMOUNT_TRY(Cut(range));
  SEAMOUNT_TRY(FindTime());
  SEAMOUNT_TRY(AddSplits());
  return std::move(plan_);
}

}  // namespace

double CoordinateTolerance(const std::vector<double>& values, double bound) { return Tolerance(values, bound); }

const PlannedDimension& SelectionPlan::Find(const std::string& dimension) const {
  return *std::find_if(dimensions.begin(), dimensions.end(), [&](const auto& d) { return d.name == dimension; });
}

Result<SelectionPlan> PlanSelection(const Recipe& recipe, const SourceFacts& facts) {
  return Planner(recipe, facts).Run();
}

PlacedRuns RunsOf(const SelectionPlan& plan, const std::vector<std::string>& dimensions, const nd::Box& region) {
  PlacedRuns out(dimensions.size());
  size_t kept = 0;
  for (size_t d = 0; d < dimensions.size(); ++d) {
    const PlannedDimension& dimension = plan.Find(dimensions[d]);
    const uint64_t origin = dimension.dropped ? 0 : region.origin[kept];
    const uint64_t extent = dimension.dropped ? 1 : region.shape[kept];
    if (!dimension.dropped) ++kept;
    uint64_t start = 0;
    for (const IndexRun& run : dimension.runs) {
      const uint64_t from = std::max(origin, start);
      const uint64_t to = std::min(origin + extent, start + run.count);
      if (from < to) out[d].push_back({run.start + from - start, to - from, from - origin});
      start += run.count;
    }
  }
  return out;
}

void ForEachBox(const PlacedRuns& runs, const std::function<void(const nd::Box&, const nd::Index&)>& each) {
  const size_t rank = runs.size();
  std::vector<size_t> choice(rank, 0);
  for (bool more = true; more;) {
    nd::Box box{nd::Index(rank), nd::Index(rank)};
    nd::Index at(rank);
    for (size_t d = 0; d < rank; ++d) {
      const PlacedRun& run = runs[d][choice[d]];
      box.origin[d] = run.from;
      box.shape[d] = run.count;
      at[d] = run.at;
    }
    each(box, at);
    more = false;
    for (size_t d = rank; d-- > 0 && !more;) {
      more = ++choice[d] < runs[d].size();
      if (!more) choice[d] = 0;
    }
  }
}

uint64_t SplitRange::steps() const {
  uint64_t steps = 0;
  for (const Stretch& stretch : stretches()) steps += stretch.stop - stretch.start;
  return steps;
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
