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

constexpr size_t kMostDayWeights = size_t{1} << 24;  // 128 MiB

size_t TermsOf(const std::string& climatology, cf::Calendar calendar) {
  if (climatology == "month") return 12;
  if (climatology == "hour") return 24;
  if (calendar == cf::Calendar::k360Day) return 360;
  return calendar == cf::Calendar::kNoLeap ? 365 : 366;
}

// Days of the year as xarray counts them: the day after 28 February is the 60th, in leap years and others.
size_t TermAt(const std::string& climatology, cf::Calendar calendar, cf::Moment moment) {
  constexpr int64_t kHour = cf::kDayMicroseconds / 24;
  const cf::Date date = cf::DateOf(calendar, moment);
  if (climatology == "month") return static_cast<size_t>(date.month - 1);
  if (climatology == "hour") return static_cast<size_t>(date.microsecond / kHour);
  return static_cast<size_t>(cf::DayNumber(calendar, date.year, date.month, date.day) -
                             cf::DayNumber(calendar, date.year, 1, 1));
}

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
  const uint64_t steps = plan_.anomaly_over.steps();
  const double span =
      DecimalYear(time.calendar, time.moments[stop - 1]) - DecimalYear(time.calendar, time.moments[start]);
  const double whole = span * static_cast<double>(steps) / static_cast<double>(std::max<uint64_t>(1, steps - 1));
  if (!(whole >= kYear)) {
    return At(anomaly.line, "harmonics need a whole year at least, and the split '" + anomaly.over +
                                "' goes only from " + cf::FormatMoment(time.calendar, time.moments[start]) + " to " +
                                cf::FormatMoment(time.calendar, time.moments[stop - 1]));
  }
  std::vector<double> known;
  for (const Stretch& stretch : plan_.anomaly_over.stretches()) {
    for (uint64_t t = stretch.start; t < stretch.stop; ++t) known.push_back(phase(t));
  }
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
  basis.dimension = basis.exclusive ? anomaly.climatology : "harmonic";
  basis.terms =
      basis.exclusive ? TermsOf(anomaly.climatology, time.calendar) : 1 + 2 * static_cast<size_t>(anomaly.harmonics);
  basis.window = static_cast<size_t>(anomaly.window);
  if (anomaly.climatology == "day_of_year" && steps > kMostDayWeights / basis.terms) {
    return At(anomaly.line, "'climatology: day_of_year' of " + std::to_string(steps) +
                                " steps would take too much memory: resample to days first, or use harmonics");
  }
  basis.weights.assign(steps * basis.terms, 0);
  for (size_t t = 0; t < steps; ++t) {
    double* row = basis.weights.data() + t * basis.terms;
    if (basis.exclusive) {
      row[TermAt(anomaly.climatology, time.calendar, time.moments[t])] = 1;
      continue;
    }
    const double phase = 2 * std::numbers::pi * cf::YearFraction(time.calendar, time.moments[t]);
    row[0] = 1;
    for (int k = 1; k <= anomaly.harmonics; ++k) {
      row[2 * k - 1] = std::cos(k * phase);
      row[2 * k] = std::sin(k * phase);
    }
  }
  if (basis.exclusive) {
    SEAMOUNT_TRY(CheckTerms(basis));
  } else if (plan_.anomaly_over.steps() < basis.terms) {
    return At(anomaly.line, "the split '" + anomaly.over + "' has fewer steps than the climatology has terms");
  } else {
    SEAMOUNT_TRY(CheckHarmonics());
  }
  plan_.basis = std::move(basis);
  return {};
}

// Every term that the data have must have been seen, or one in its window.
Result<void> Planner::CheckTerms(const Basis& basis) const {
  const Anomaly& anomaly = *recipe_.anomaly;
  const TimeAxis& time = *plan_.selection.time;
  std::vector<bool> seen(basis.terms, false);
  for (const Stretch& stretch : plan_.anomaly_over.stretches()) {
    for (uint64_t t = stretch.start; t < stretch.stop; ++t) {
      const size_t term = TermAt(anomaly.climatology, time.calendar, time.moments[t]) + basis.terms;
      for (size_t i = 0; i < basis.window; ++i) seen[(term + i - basis.window / 2) % basis.terms] = true;
    }
  }
  for (const cf::Moment moment : time.moments) {
    const size_t term = TermAt(anomaly.climatology, time.calendar, moment);
    if (seen[term]) continue;
    const std::string named = anomaly.climatology == "day_of_year"
                                  ? "on day " + std::to_string(term + 1) + " of the year"
                              : anomaly.climatology == "hour" ? "in hour " + std::to_string(term)
                                                              : "in month " + std::to_string(term + 1);
    return At(anomaly.line, "the split '" + anomaly.over + "' has no step " + named +
                                ", which the data have: no climatology for it" +
                                (anomaly.climatology == "day_of_year" ? " (a 'window' of days helps)" : ""));
  }
  return {};
}

}  // namespace seamount::prepare
