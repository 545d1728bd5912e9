// One value for each period of time. A period with no step at all is left out, so that gaps stay gaps.
#include <algorithm>
#include <cctype>
#include <cmath>

#include "prepare/steps.h"
#include "prepare/steps/lines.h"
#include "prepare/steps/reduce.h"

namespace seamount::prepare {
namespace {

constexpr cf::Moment kHour = cf::kDayMicroseconds / 24;

// Periods of equal length from the first day on, or of calendar months from a month on.
struct Period {
  cf::Moment length = 0;
  int64_t months = 0;
  int64_t first_month = 0;  // of the year, 0 for January, at which one begins; -1: the month of the first step
};

Result<Period> ParsePeriod(const std::string& text) {
  size_t digits = 0;
  while (digits < text.size() && digits < 4 && std::isdigit(static_cast<unsigned char>(text[digits])) != 0) ++digits;
  const int64_t count = digits == 0 ? 1 : std::stoll(text.substr(0, digits));
  std::string unit = text.substr(digits);
  if (unit.starts_with(' ')) unit.erase(0, 1);
  if (count > 1 && unit.size() > 2 && unit.ends_with('s')) unit.pop_back();
  Period period;
  if (unit == "h" || unit == "H" || unit == "hour") period.length = count * kHour;
  if (unit == "d" || unit == "D" || unit == "day") period.length = count * cf::kDayMicroseconds;
  if (unit == "MS" || unit == "month") period = {0, count, -1};
  if (unit == "season" && count == 1) period = {0, 3, 11};
  if (unit == "YS" || unit == "year") period = {0, 12 * count, 0};
  if (count > 0 && (period.length > 0 || period.months > 0)) return period;
  return base::InvalidArgument("'" + text + "' is no period: hour, 6h, day, 5 days, month, season, year");
}

// Where the period that a moment lies in begins.
cf::Moment BeginOf(const GridAxis& axis, const Period& period, cf::Moment moment) {
  const cf::Moment first = axis.moments.front();
  if (period.months == 0) {
    const cf::Moment origin = first - first % cf::kDayMicroseconds;
    return moment - (moment - origin) % period.length;
  }
  const cf::Date start = cf::DateOf(axis.calendar, first);
  const cf::Date date = cf::DateOf(axis.calendar, moment);
  int64_t origin = start.year * 12 + (period.first_month < 0 ? start.month - 1 : period.first_month);
  if (origin > start.year * 12 + start.month - 1) origin -= 12;
  const int64_t month = date.year * 12 + date.month - 1;
  const int64_t begin = month - (month - origin) % period.months;
  return cf::MomentOf(axis.calendar, {begin / 12, static_cast<int>(begin % 12) + 1, 1, 0});
}

// Where the period after that which begins at a moment begins.
cf::Moment NextOf(const GridAxis& axis, const Period& period, cf::Moment begin) {
  if (period.months == 0) return begin + period.length;
  const cf::Date date = cf::DateOf(axis.calendar, begin);
  const int64_t month = date.year * 12 + date.month - 1 + period.months;
  return cf::MomentOf(axis.calendar, {month / 12, static_cast<int>(month % 12) + 1, 1, 0});
}

class ResampleStep final : public Step {
 public:
  // `bounds`: the first step of each period, and the number of steps.
  ResampleStep(size_t time, std::vector<uint64_t> bounds, Reduction how)
      : time_(time), bounds_(std::move(bounds)), how_(how) {}

  nd::Box InputRegion(size_t, const nd::Box& output) const override {
    return WithRange(output, time_, bounds_[output.origin[time_]], bounds_[output.origin[time_] + output.shape[time_]]);
  }

  nd::Box AtOnce(size_t, const nd::Box& output) const override { return WithRange(output, time_, 0, kAtOnce); }

  // A few steps at a time are read and added up: a month of hours need not be held.
  Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const override {
    const Lines lines = LinesOf(region.shape, time_);
    std::vector<Reduced> sums(lines.outer * lines.inner);
    for (uint64_t p = 0; p < lines.count; ++p) {
      std::fill(sums.begin(), sums.end(), Reduced());
      const uint64_t stop = bounds_[region.origin[time_] + p + 1];
      for (uint64_t t = bounds_[region.origin[time_] + p]; t < stop; t += kAtOnce) {
        const uint64_t steps = std::min<uint64_t>(kAtOnce, stop - t);
        SEAMOUNT_TRY_ASSIGN(const auto values, inputs.Read(0, WithRange(region, time_, t, t + steps)));
        for (uint64_t o = 0; o < lines.outer; ++o) {
          for (uint64_t s = 0; s < steps; ++s) {
            const double* row = values.data() + (o * steps + s) * lines.inner;
            Reduced* sum = sums.data() + o * lines.inner;
            for (uint64_t i = 0; i < lines.inner; ++i) sum[i].Add(how_, row[i]);
          }
        }
      }
      for (uint64_t o = 0; o < lines.outer; ++o) {
        double* row = into.data() + (o * lines.count + p) * lines.inner;
        for (uint64_t i = 0; i < lines.inner; ++i) row[i] = sums[o * lines.inner + i].Get(how_);
      }
    }
    return {};
  }

  std::string Fingerprint(const nd::Box& region) const override {
    std::string text = "resample " + std::to_string(static_cast<int>(how_)) + ":";
    const uint64_t start = region.origin[time_];
    for (uint64_t p = start; p < start + region.shape[time_]; ++p) {
      text += std::to_string(bounds_[p + 1] - bounds_[p]) + ",";
    }
    return text + "\n";
  }

 private:
  static constexpr uint64_t kAtOnce = 8;

  const size_t time_;
  const std::vector<uint64_t> bounds_;
  const Reduction how_;
};

// "time: mean" is what CF calls it.
std::string CellMethod(const std::string& how) {
  if (how == "min") return "minimum";
  if (how == "max") return "maximum";
  return how == "first" || how == "last" ? "point" : how;
}

}  // namespace

StepResult MakeResample(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  SEAMOUNT_TRY_ASSIGN(const auto time, TimeFor(input, scope));
  if (!time) return std::optional<MadeStep>();
  const GridAxis& axis = *input.axes[*time];
  SEAMOUNT_TRY_ASSIGN(const Period period, ParsePeriod(spec.Text("to", "")));
  cf::Moment shortest = 0;
  for (uint64_t t = 1; t < axis.size; ++t) {
    const cf::Moment step = axis.moments[t] - axis.moments[t - 1];
    shortest = t == 1 ? step : std::min(shortest, step);
  }
  if (period.length > 0 && shortest > period.length) {
    return base::InvalidArgument("the periods are shorter than the steps of '" + axis.name +
                                 "': most would have none, and 'resample' makes no steps");
  }
  std::vector<uint64_t> bounds;
  std::vector<cf::Moment> moments;
  std::vector<uint64_t> gaps;
  for (uint64_t t = 0; t < axis.size; ++t) {
    const cf::Moment begin = BeginOf(axis, period, axis.moments[t]);
    if (!moments.empty() && moments.back() == begin) continue;
    if (!moments.empty() && begin < moments.back()) return base::InvalidArgument("the times are not in order");
    if (!moments.empty() && begin != NextOf(axis, period, moments.back())) gaps.push_back(moments.size());
    moments.push_back(begin);
    bounds.push_back(t);
  }
  bounds.push_back(axis.size);
  uint64_t most = 0;
  for (size_t p = 0; p + 1 < bounds.size(); ++p) most = std::max(most, bounds[p + 1] - bounds[p]);
  uint64_t partial = 0;
  std::string first;
  for (size_t p = 0; p + 1 < bounds.size(); ++p) {
    // Months have 28 days or 31.
    if (static_cast<double>(bounds[p + 1] - bounds[p]) >= 0.9 * static_cast<double>(most)) continue;
    if (partial++ > 0) continue;
    first = cf::FormatMoment(axis.calendar, moments[p]) + " has " + std::to_string(bounds[p + 1] - bounds[p]) +
            " steps of " + std::to_string(most);
  }
  if (partial > 0) {
    scope.notes.push_back(std::to_string(partial) + (partial == 1 ? " period is" : " periods are") +
                          " made of fewer steps than the others: " + first);
  }
  Grid grid = input;
  SEAMOUNT_TRY_ASSIGN(grid.axes[*time], WithMoments(axis, moments, std::move(gaps)));
  if (!grid.chunk.empty()) {
    const uint64_t per = std::max<uint64_t>(1, axis.size / moments.size());
    grid.chunk[*time] = std::max<uint64_t>(1, grid.chunk[*time] / per);
  }
  const std::string how = spec.Text("how", "mean");
  const std::string before = cf::TextOf(grid.attributes, "cell_methods").value_or("");
  SetText(grid.attributes, "cell_methods", (before.empty() ? "" : before + " ") + axis.name + ": " + CellMethod(how));
  auto step = std::make_unique<ResampleStep>(*time, std::move(bounds), ReductionOf(how));
  return std::optional(MadeStep{std::move(step), std::move(grid)});
}

}  // namespace seamount::prepare
