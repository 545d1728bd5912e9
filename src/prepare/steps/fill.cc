// Values where there are none.
#include <algorithm>
#include <cmath>

#include "prepare/source_text.h"
#include "prepare/steps.h"
#include "prepare/steps/lines.h"

namespace seamount::prepare {
namespace {

class NumberStep final : public PointStep {
 public:
  explicit NumberStep(double number) : number_(number) {}
  Result<void> Change(const nd::Box&, std::span<const double> values, std::span<double> into) const override {
    for (size_t i = 0; i < into.size(); ++i) into[i] = std::isnan(values[i]) ? number_ : values[i];
    return {};
  }
  std::string Fingerprint(const nd::Box&) const override { return "fill " + NumberText(number_) + "\n"; }

 private:
  const double number_;
};

enum class Method { kNearest, kPrevious, kLinear };

// From known values at most `reach` places away; not over a gap in time.
class AlongStep final : public Step {
 public:
  AlongStep(size_t dimension, AxisPtr axis, Method method, uint64_t reach)
      : dimension_(dimension), axis_(std::move(axis)), method_(method), reach_(reach) {}

  nd::Box InputRegion(size_t, const nd::Box& output) const override {
    const uint64_t from = output.origin[dimension_];
    const uint64_t to = from + output.shape[dimension_];
    const uint64_t ahead = method_ == Method::kPrevious ? 0 : reach_;
    return WithRange(output, dimension_, from - std::min(from, reach_), std::min(axis_->size, to + ahead));
  }

  Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const override {
    const nd::Box needed = InputRegion(0, region);
    SEAMOUNT_TRY_ASSIGN(const auto values, inputs.Read(0, needed));
    const Lines lines = LinesOf(region.shape, dimension_);
    const uint64_t rows = needed.shape[dimension_];
    const uint64_t start = needed.origin[dimension_];
    for (uint64_t p = 0; p < lines.count; ++p) {
      const uint64_t place = region.origin[dimension_] + p;
      const auto gap = std::upper_bound(axis_->gaps.begin(), axis_->gaps.end(), place);
      const uint64_t stop = std::min(start + rows, gap == axis_->gaps.end() ? axis_->size : *gap);
      const uint64_t least = std::max(start, gap == axis_->gaps.begin() ? 0 : *(gap - 1));
      for (uint64_t o = 0; o < lines.outer; ++o) {
        for (uint64_t i = 0; i < lines.inner; ++i) {
          const auto at = [&](uint64_t t) { return values[(o * rows + t - start) * lines.inner + i]; };
          into[(o * lines.count + p) * lines.inner + i] = Filled(at, place, least, stop);
        }
      }
    }
    return {};
  }

  std::string Fingerprint(const nd::Box& region) const override {
    std::string text = "fill along " + std::to_string(dimension_) + " " + std::to_string(static_cast<int>(method_)) +
                       " " + std::to_string(reach_) + ":";
    const nd::Box needed = InputRegion(0, region);
    const uint64_t from = needed.origin[dimension_];
    for (const uint64_t gap : axis_->gaps) {
      if (gap > from && gap < from + needed.shape[dimension_]) text += std::to_string(gap - from) + ",";
    }
    // How far apart places are decides which is nearest.
    text += std::to_string(region.origin[dimension_] - from) + ":";
    for (uint64_t t = from; t < from + needed.shape[dimension_]; ++t) {
      text += NumberText(Place(t) - Place(region.origin[dimension_])) + ",";
    }
    return text + "\n";
  }

 private:
  double Place(uint64_t t) const { return axis_->values.empty() ? static_cast<double>(t) : axis_->values[t]; }

  template <class At>
  double Filled(const At& at, uint64_t place, uint64_t least, uint64_t stop) const {
    const double here = at(place);
    if (!std::isnan(here)) return here;
    uint64_t back = 1;
    while (back <= reach_ && place - least >= back && std::isnan(at(place - back))) ++back;
    const bool behind = back <= reach_ && place - least >= back;
    if (method_ == Method::kPrevious) return behind ? at(place - back) : here;
    uint64_t on = 1;
    while (on <= reach_ && place + on < stop && std::isnan(at(place + on))) ++on;
    const bool ahead = on <= reach_ && place + on < stop;
    const double to_back = behind ? std::abs(Place(place) - Place(place - back)) : 0;
    const double to_on = ahead ? std::abs(Place(place + on) - Place(place)) : 0;
    if (method_ == Method::kLinear) {
      if (!behind || !ahead) return here;
      return (at(place - back) * to_on + at(place + on) * to_back) / (to_back + to_on);
    }
    if (behind && (!ahead || to_back <= to_on)) return at(place - back);
    return ahead ? at(place + on) : here;
  }

  const size_t dimension_;
  const AxisPtr axis_;
  const Method method_;
  const uint64_t reach_;
};

}  // namespace

StepResult MakeFill(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  const bool along = spec.Has("along");
  if (along == spec.Has("value") || (!along && (spec.Has("method") || spec.Has("reach")))) {
    return base::InvalidArgument("it needs either a 'value', or 'along' with 'reach' (and 'method')");
  }
  if (!along) return std::optional(MadeStep{std::make_unique<NumberStep>(spec.Number("value", 0)), input});
  if (!spec.Has("reach")) return base::InvalidArgument("it needs 'reach': from how many places away a value may come");
  SEAMOUNT_TRY_ASSIGN(const auto dimension, DimensionFor(input, spec.Text("along", ""), scope));
  if (!dimension) return std::optional<MadeStep>();
  const std::string how = spec.Text("method", "nearest");
  const Method method = how == "linear" ? Method::kLinear : how == "previous" ? Method::kPrevious : Method::kNearest;
  auto step = std::make_unique<AlongStep>(*dimension, input.axes[*dimension], method,
                                          static_cast<uint64_t>(spec.Number("reach", 1)));
  return std::optional(MadeStep{std::move(step), input});
}

}  // namespace seamount::prepare
