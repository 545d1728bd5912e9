#include "prepare/common_axes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "cf/calendar.h"
#include "prepare/source_text.h"
#include "prepare/steps/select.h"

namespace seamount::prepare {
namespace {

constexpr double kShare = 1e-4;    // of the spacing
constexpr double kFloat = 1.2e-7;  // of a float32
constexpr double kCircle = 360;

std::vector<double> LabelsOf(const GridAxis& axis) {
  if (axis.dated()) return {axis.moments.begin(), axis.moments.end()};
  return axis.values;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The usual distance from one label to the next; 0 where there is one.
double SpacingOf(const std::vector<double>& labels) {
  std::vector<double> steps;
  for (size_t i = 1; i < labels.size(); ++i) steps.push_back(std::abs(labels[i] - labels[i - 1]));
  return Median(std::move(steps));
}

bool Periodic(const GridAxis& axis) { return axis.kind == cf::Axis::kLongitude; }

double OnCircle(double degrees) {
  const double turned = std::fmod(degrees, kCircle);
  return turned < 0 ? turned + kCircle : turned;
}

// Labels found by value.
class Labels {
 public:
  explicit Labels(const GridAxis& axis) : periodic_(Periodic(axis)), dated_(axis.dated()) {
    const std::vector<double> labels = LabelsOf(axis);
    spacing_ = SpacingOf(labels);
    for (uint64_t i = 0; i < labels.size(); ++i) sorted_.emplace_back(periodic_ ? OnCircle(labels[i]) : labels[i], i);
    std::sort(sorted_.begin(), sorted_.end());
  }

  std::optional<uint64_t> Find(double label, double spacing) const {
    if (sorted_.empty()) return std::nullopt;
    const double wanted = periodic_ ? OnCircle(label) : label;
    const double usual = spacing > 0 && spacing_ > 0 ? std::min(spacing, spacing_) : std::max(spacing, spacing_);
    const double least = dated_ ? 1000 : kFloat * std::abs(periodic_ ? kCircle : label);
    const double reach = std::max(kShare * usual, least);
    const auto after = std::lower_bound(sorted_.begin(), sorted_.end(), std::pair(wanted, uint64_t{0}));
    const auto& next = after == sorted_.end() ? sorted_.front() : *after;
    const auto& before = after == sorted_.begin() ? sorted_.back() : *std::prev(after);
    if (Apart(next.first, wanted) <= reach) return next.second;
    if (Apart(before.first, wanted) <= reach) return before.second;
    return std::nullopt;
  }

 private:
  double Apart(double a, double b) const { return std::abs(periodic_ ? std::remainder(a - b, kCircle) : a - b); }

  const bool periodic_;
  const bool dated_;
  double spacing_ = 0;
  std::vector<std::pair<double, uint64_t>> sorted_;
};

// Places of both that have one label, in the order of the first.
struct Matches {
  std::vector<uint64_t> first;
  std::vector<uint64_t> second;
};

Matches Match(const GridAxis& a, const GridAxis& b) {
  const Labels there(b);
  const std::vector<double> labels = LabelsOf(a);
  const double spacing = SpacingOf(labels);
  Matches out;
  for (uint64_t i = 0; i < labels.size(); ++i) {
    const auto found = there.Find(labels[i], spacing);
    if (!found) continue;
    out.first.push_back(i);
    out.second.push_back(*found);
  }
  return out;
}

// How often neighbours among the places are no neighbours on an axis of `size` places, which may go round.
uint64_t Breaks(const std::vector<uint64_t>& places, uint64_t size, bool round) {
  uint64_t breaks = 0;
  for (size_t i = 1; i < places.size(); ++i) {
    const uint64_t apart = places[i] > places[i - 1] ? places[i] - places[i - 1] : places[i - 1] - places[i];
    const bool seam = round && apart + 1 == size;
    if (apart != 1 && !seam) ++breaks;
  }
  return breaks;
}

bool IsWhole(const std::vector<uint64_t>& places, const GridAxis& axis) {
  for (uint64_t i = 0; i < places.size(); ++i) {
    if (places[i] != i) return false;
  }
  return places.size() == axis.size;
}

std::string LabelText(const GridAxis& axis, uint64_t place) {
  return axis.dated() ? cf::FormatMoment(axis.calendar, axis.moments[place]) : PlainNumber(axis.values[place]);
}

std::string RangeText(const GridAxis& axis) {
  if (axis.values.empty() || axis.size == 0) return std::to_string(axis.size) + " places";
  return std::to_string(axis.size) + " from " + LabelText(axis, 0) + " to " + LabelText(axis, axis.size - 1);
}

// Their dates are the same numbers: the two differ before 1582 only.
bool SameCalendar(const GridAxis& a, const GridAxis& b) {
  if (a.calendar == b.calendar) return true;
  const auto modern = [](const GridAxis& axis) {
    const bool gregorian =
        axis.calendar == cf::Calendar::kStandard || axis.calendar == cf::Calendar::kProlepticGregorian;
    const cf::Moment reform = cf::MomentOf(axis.calendar, {1582, 10, 15, 0});
    return gregorian &&
           std::all_of(axis.moments.begin(), axis.moments.end(), [&](cf::Moment m) { return m >= reform; });
  };
  return modern(a) && modern(b);
}

// What keeps the two from being brought together; empty: nothing. Common labels of times and maps must be neighbours
// on both, else one of them would be thinned out.
std::string Trouble(const GridAxis& a, const GridAxis& b, const Matches& matches) {
  if (a.values.empty() != b.values.empty()) return "one has labels and the other none";
  if (a.values.empty()) return a.size == b.size ? "" : "without labels they must be of one size";
  if (a.dated() != b.dated()) return "the dates of one are not known";
  if (a.dated() && !SameCalendar(a, b)) return "they have other calendars";
  const bool map = a.kind == cf::Axis::kLatitude || Periodic(a);
  const std::string how =
      a.dated() ? "bring them to the same steps by 'resample'" : "bring them onto one grid by 'regrid'";
  if (a.dated()) {
    const double here = SpacingOf(LabelsOf(a));
    const double there = SpacingOf(LabelsOf(b));
    const double ratio = here > 0 && there > 0 ? std::max(here, there) / std::min(here, there) : 1;
    if (ratio > 1.5) return "their steps are not equally long: " + how;
  }
  if (matches.first.empty()) return "no label is in both" + (a.dated() || map ? ": " + how : std::string());
  const bool thinned =
      Breaks(matches.first, a.size, Periodic(a)) > 1 || Breaks(matches.second, b.size, Periodic(b)) > 1;
  const bool torn = Breaks(matches.first, a.size, false) > 0 && Breaks(matches.second, b.size, false) > 0;
  if (map && thinned) return "they lie at other distances: " + how;
  if (map && torn && !Periodic(a)) return "they lie at other distances: " + how;
  return "";
}

AxisPtr Picked(const AxisPtr& axis, const std::vector<uint64_t>& places) {
  return IsWhole(places, *axis) ? axis : PickFrom(*axis, places);
}

}  // namespace

bool SamePlaces(const GridAxis& a, const GridAxis& b) {
  if (SameAxis(a, b)) return true;
  if (a.name != b.name || a.size != b.size) return false;
  const Matches matches = Match(a, b);
  return Trouble(a, b, matches).empty() &&
         (a.values.empty() || (IsWhole(matches.first, a) && IsWhole(matches.second, b)));
}

Result<void> CommonAxes::Add(const std::string& user, const AxisPtr& axis) {
  const auto [found, fresh] = by_name_.try_emplace(axis->name, Common{axis, user, {}, false});
  Common& common = found->second;
  common.all.push_back(axis);
  if (fresh || common.axis->source == axis->source) return {};
  common.several = true;
  if (SameAxis(*common.axis, *axis)) return {};
  const Matches matches = Match(*common.axis, *axis);
  if (const std::string trouble = Trouble(*common.axis, *axis, matches); !trouble.empty()) {
    return base::InvalidArgument("'" + user + "' of the source '" + axis->source + "' has other places along '" +
                                 axis->name + "' (" + RangeText(*axis) + ") than '" + common.user +
                                 "' of the source '" + common.axis->source + "' (" + RangeText(*common.axis) +
                                 "): " + trouble);
  }
  if (axis->values.empty()) return {};
  // A longitude range across the seam of the first is in order on the second.
  std::vector<uint64_t> there = matches.second;
  std::sort(there.begin(), there.end());
  const bool torn = Breaks(matches.first, common.axis->size, false) > 0;
  if (torn && Breaks(there, axis->size, false) == 0) {
    common.axis = Picked(axis, there);
    common.user = user;
  } else {
    common.axis = Picked(common.axis, matches.first);
  }
  return {};
}

NodePtr CommonAxes::On(NodePtr node) const {
  for (size_t d = 0; d < node->grid().axes.size(); ++d) {
    const AxisPtr own = node->grid().axes[d];
    const auto& [common, user, all, several] = by_name_.at(own->name);
    if (!several || own == common) continue;
    const Matches matches = Match(*common, *own);
    // Of one source but of other places: whoever puts them into one group tells that.
    if (!own->values.empty() && matches.second.size() != common->size) continue;
    Grid grid = node->grid();
    grid.axes[d] = common;
    const bool whole = own->values.empty() || IsWhole(matches.second, *own);
    node = whole ? WithGrid(std::move(node), std::move(grid))
                 : std::make_shared<const StepNode>("align", std::move(grid), PickPlaces(d, matches.second),
                                                    std::vector<NodePtr>{node});
  }
  return node;
}

std::vector<std::string> CommonAxes::Notes() const {
  std::vector<std::string> notes;
  for (const auto& [name, common] : by_name_) {
    std::map<std::string, uint64_t> lost;
    for (const AxisPtr& axis : common.all) {
      if (axis->size > common.axis->size) lost[axis->source] = axis->size;
    }
    if (lost.empty()) continue;
    std::string text = "of '" + name + "' the places are taken that all sources have, " + RangeText(*common.axis) + ":";
    for (const auto& [source, size] : lost) text += " '" + source + "' has " + std::to_string(size) + ",";
    text.pop_back();
    notes.push_back(std::move(text));
  }
  return notes;
}

}  // namespace seamount::prepare
