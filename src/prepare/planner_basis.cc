#include <algorithm>
#include <cmath>
#include <numbers>

#include "cf/calendar.h"
#include "prepare/planner.h"

namespace seamount::prepare {
namespace {

// Years with their fraction, in the calendar's own length of year.
double DecimalYear(cf::Calendar calendar, cf::Moment moment) {
  return static_cast<double>(cf::DateOf(calendar, moment).year) + cf::YearFraction(calendar, moment);
}

// How far apart two places in the year are: December is next to January.
double Apart(double a, double b) { return std::abs(std::remainder(a - b, 1.0)); }

}  // namespace

// Harmonics that are fitted to a part of the year say nothing of the rest, and run away there by hundreds of standard
// deviations.
Result<void> Planner::CheckHarmonics() const {
  constexpr double kYear = 0.98;  // twelve months are a little less than a year from the first to the last
  const Anomaly& anomaly = *recipe_.anomaly;
  const TimeAxis& time = *plan_.selection.time;
  const auto phase = [&](size_t t) { return cf::YearFraction(time.calendar, time.moments[t]); };
  const uint64_t start = plan_.anomaly_over.start;
  const uint64_t stop = plan_.anomaly_over.stop;
  const double span =
      DecimalYear(time.calendar, time.moments[stop - 1]) - DecimalYear(time.calendar, time.moments[start]);
  const double whole =
      span * static_cast<double>(stop - start) / static_cast<double>(std::max<uint64_t>(1, stop - start - 1));
  if (!(whole >= kYear)) {
    return At(anomaly.line, "harmonics need a whole year at least, and the split '" + anomaly.over +
                                "' goes only from " + cf::FormatMoment(time.calendar, time.moments[start]) + " to " +
                                cf::FormatMoment(time.calendar, time.moments[stop - 1]));
  }
  std::vector<double> known;
  for (uint64_t t = start; t < stop; ++t) known.push_back(phase(t));
  std::sort(known.begin(), known.end());
  const double most = 1.0 / (4 * anomaly.harmonics);  // half of what the shortest wave lets lie between two steps
  for (size_t t = 0; t < time.moments.size(); ++t) {
    const double here = phase(t);
    const auto after = std::lower_bound(known.begin(), known.end(), here);
    const double next = after == known.end() ? known.front() : *after;
    const double before = after == known.begin() ? known.back() : *(after - 1);
    if (std::min(Apart(here, next), Apart(here, before)) <= most) continue;
    return At(anomaly.line, "the split '" + anomaly.over + "' has no step near the time of year of " +
                                cf::FormatMoment(time.calendar, time.moments[t]) + ", which " +
                                std::to_string(anomaly.harmonics) + " harmonics need: fewer, or a longer split");
  }
  return {};
}

Result<void> Planner::PlanBasis() {
  if (!recipe_.anomaly) return {};
  const Anomaly& anomaly = *recipe_.anomaly;
  SEAMOUNT_TRY_ASSIGN(plan_.anomaly_over, FindSplit(recipe_, plan_.selection, anomaly.over, anomaly.line));
  const TimeAxis& time = *plan_.selection.time;
  const size_t steps = time.moments.size();
  Basis basis;
  basis.exclusive = anomaly.harmonics == 0;
  basis.dimension = basis.exclusive ? "month" : "harmonic";
  basis.terms = basis.exclusive ? 12 : 1 + 2 * static_cast<size_t>(anomaly.harmonics);
  basis.weights.assign(steps * basis.terms, 0);
  std::vector<bool> seen(12, false);
  for (size_t t = 0; t < steps; ++t) {
    double* row = basis.weights.data() + t * basis.terms;
    if (basis.exclusive) {
      const auto month = static_cast<size_t>(cf::DateOf(time.calendar, time.moments[t]).month - 1);
      row[month] = 1;
      if (t >= plan_.anomaly_over.start && t < plan_.anomaly_over.stop) seen[month] = true;
      continue;
    }
    const double phase = 2 * std::numbers::pi * cf::YearFraction(time.calendar, time.moments[t]);
    row[0] = 1;
    for (int k = 1; k <= anomaly.harmonics; ++k) {
      row[2 * k - 1] = std::cos(k * phase);
      row[2 * k] = std::sin(k * phase);
    }
  }
  for (size_t t = 0; basis.exclusive && t < steps; ++t) {
    const size_t month = static_cast<size_t>(cf::DateOf(time.calendar, time.moments[t]).month - 1);
    if (!seen[month]) {
      return At(anomaly.line, "the split '" + anomaly.over + "' has no step in month " + std::to_string(month + 1) +
                                  ", which the data have: no climatology for it");
    }
  }
  if (plan_.anomaly_over.stop - plan_.anomaly_over.start < basis.terms) {
    return At(anomaly.line, "the split '" + anomaly.over + "' has fewer steps than the climatology has terms");
  }
  if (!basis.exclusive) SEAMOUNT_TRY(CheckHarmonics());
  plan_.basis = std::move(basis);
  return {};
}

}  // namespace seamount::prepare
