// Steps that change each value for itself.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "prepare/source_text.h"
#include "prepare/steps.h"
#include "prepare/units.h"

namespace seamount::prepare {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

template <class Function>
class MapStep final : public PointStep {
 public:
  MapStep(std::string text, Function function) : text_(std::move(text)), function_(std::move(function)) {}
  Result<void> Change(const nd::Box&, std::span<const double> values, std::span<double> into) const override {
    for (size_t i = 0; i < into.size(); ++i) into[i] = function_(values[i]);
    return {};
  }
  std::string Fingerprint(const nd::Box&) const override { return text_ + "\n"; }

 private:
  const std::string text_;
  const Function function_;
};

template <class Function>
std::optional<MadeStep> Mapped(std::string text, Grid grid, Function function) {
  return MadeStep{std::make_unique<MapStep<Function>>(std::move(text), std::move(function)), std::move(grid)};
}

Result<std::pair<double, double>> RangeOf(const StepSpec& spec) {
  const std::vector<double>& range = spec.At("range").numbers;
  if (range[0] > range[1]) return base::InvalidArgument("the range goes backwards: the lower end comes first");
  return std::pair(range[0], range[1]);
}

class CheckStep final : public PointStep {
 public:
  CheckStep(double low, double high) : low_(low), high_(high) {}
  Result<void> Change(const nd::Box& region, std::span<const double> values, std::span<double> into) const override {
    for (size_t i = 0; i < into.size(); ++i) {
      into[i] = values[i];
      if (!(values[i] < low_ || values[i] > high_)) continue;
      std::string place;
      uint64_t rest = i;
      for (size_t d = region.shape.size(); d-- > 0;) {
        const std::string index = std::to_string(region.origin[d] + rest % region.shape[d]);
        place = index + (place.empty() ? "" : ", ") + place;
        rest /= region.shape[d];
      }
      return base::InvalidArgument("the value " + NumberText(values[i]) + " at (" + place + ") lies outside [" +
                                   NumberText(low_) + ", " + NumberText(high_) + "], which 'check' asks for");
    }
    return {};
  }
  std::string Fingerprint(const nd::Box&) const override {
    return "check " + NumberText(low_) + " " + NumberText(high_) + "\n";
  }

 private:
  const double low_;
  const double high_;
};

// To the nearest number with so many bits behind the leading one; ties to even, as Zarr's bitround codec.
float Rounded(float value, int keepbits) {
  if (!std::isfinite(value)) return value;
  const int drop = 23 - keepbits;
  if (drop == 0) return value;
  auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t half = (uint32_t{1} << (drop - 1)) - 1;
  bits += ((bits >> drop) & 1) + half;
  bits &= ~((uint32_t{1} << drop) - 1);
  return std::bit_cast<float>(bits);
}

}  // namespace

StepResult MakeClip(const StepSpec& spec, const Grid& input, const StepScope&) {
  SEAMOUNT_TRY_ASSIGN(const auto range, RangeOf(spec));
  const auto [low, high] = range;
  const std::string text = "clip " + NumberText(low) + " " + NumberText(high);
  return Mapped(text, input,
                [low = low, high = high](double v) { return std::isnan(v) ? v : std::clamp(v, low, high); });
}

StepResult MakeCheck(const StepSpec& spec, const Grid& input, const StepScope&) {
  SEAMOUNT_TRY_ASSIGN(const auto range, RangeOf(spec));
  return std::optional(MadeStep{std::make_unique<CheckStep>(range.first, range.second), input});
}

// What has no logarithm is missing.
StepResult MakeLog(const StepSpec& spec, const Grid& input, const StepScope&) {
  const double offset = spec.Number("offset", 0);
  Grid grid = input;
  SetText(grid.attributes, "units", "1");
  SetText(grid.attributes, "standard_name", "");
  return Mapped("log " + NumberText(offset), std::move(grid),
                [offset](double v) { return v + offset > 0 ? std::log(v + offset) : kMissing; });
}

StepResult MakeLog1p(const StepSpec&, const Grid& input, const StepScope&) {
  Grid grid = input;
  SetText(grid.attributes, "units", "1");
  SetText(grid.attributes, "standard_name", "");
  return Mapped("log1p", std::move(grid), [](double v) { return v > -1 ? std::log1p(v) : kMissing; });
}

StepResult MakeScale(const StepSpec& spec, const Grid& input, const StepScope&) {
  const double factor = spec.Number("factor", 1);
  const double offset = spec.Number("offset", 0);
  if (factor == 0) return base::InvalidArgument("'factor' must not be 0");
  return Mapped("scale " + NumberText(factor) + " " + NumberText(offset), input,
                [=](double v) { return v * factor + offset; });
}

StepResult MakeConvert(const StepSpec& spec, const Grid& input, const StepScope&) {
  const std::string to = spec.Text("to", "");
  if (input.units().empty()) return base::InvalidArgument("it has no 'units' to convert from");
  SEAMOUNT_TRY_ASSIGN(const Conversion conversion, FindConversion(input.units(), to));
  Grid grid = input;
  SetText(grid.attributes, "units", to);
  const auto [factor, offset] = conversion;
  return Mapped("convert " + NumberText(factor) + " " + NumberText(offset), std::move(grid),
                [factor = factor, offset = offset](double v) { return v * factor + offset; });
}

// The values are float32 then, which the relative error is far above.
StepResult MakeRound(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  const int keepbits = static_cast<int>(spec.Number("keepbits", 23));
  char note[128];
  std::snprintf(note, sizeof note, "rounding to %d bits changes a value by at most %.2g of itself", keepbits,
                std::ldexp(1.0, -keepbits - 1));
  scope.notes.emplace_back(note);
  Grid grid = input;
  grid.single = true;
  return Mapped("round " + std::to_string(keepbits), std::move(grid),
                [keepbits](double v) { return static_cast<double>(Rounded(static_cast<float>(v), keepbits)); });
}

}  // namespace seamount::prepare
