// Values only where another variable, or a box of coordinates, allows them; elsewhere they are missing.
#include <algorithm>
#include <cmath>
#include <limits>

#include "prepare/selection.h"
#include "prepare/source_text.h"
#include "prepare/steps.h"
#include "prepare/steps/spread.h"

namespace seamount::prepare {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

class MaskStep final : public Step {
 public:
  MaskStep(std::vector<size_t> dimensions, double above, double below, bool not_zero)
      : dimensions_(std::move(dimensions)), above_(above), below_(below), not_zero_(not_zero) {}

  nd::Box InputRegion(size_t input, const nd::Box& output) const override {
    return input == 0 ? output : PartOf(output, dimensions_);
  }
  nd::Box AtOnce(size_t, const nd::Box& output) const override { return output; }

  Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const override {
    SEAMOUNT_TRY_ASSIGN(const auto values, inputs.Read(0, region));
    SEAMOUNT_TRY_ASSIGN(const auto part, inputs.Read(1, InputRegion(1, region)));
    std::vector<double> held;
    const std::span<const double> mask = Spread(part, region, dimensions_, held);
    for (size_t i = 0; i < into.size(); ++i) {
      const bool kept = not_zero_ ? mask[i] != 0 && !std::isnan(mask[i]) : mask[i] > above_ && mask[i] < below_;
      into[i] = kept ? values[i] : kMissing;
    }
    return {};
  }

  std::string Fingerprint(const nd::Box&) const override {
    std::string text = not_zero_ ? "mask not 0" : "mask " + NumberText(above_) + " " + NumberText(below_);
    for (const size_t d : dimensions_) text += "," + std::to_string(d);
    return text + "\n";
  }

 private:
  const std::vector<size_t> dimensions_;
  const double above_;
  const double below_;
  const bool not_zero_;
};

class BoxStep final : public PointStep {
 public:
  // For each dimension which places are inside; empty: all.
  explicit BoxStep(std::vector<std::vector<bool>> inside) : inside_(std::move(inside)) {}

  Result<void> Change(const nd::Box& region, std::span<const double> values, std::span<double> into) const override {
    nd::Index at = region.origin;
    for (size_t i = 0; i < into.size(); ++i) {
      bool kept = true;
      for (size_t d = 0; d < at.size(); ++d) kept = kept && (inside_[d].empty() || inside_[d][at[d]]);
      into[i] = kept ? values[i] : kMissing;
      for (size_t d = at.size(); d-- > 0;) {
        if (++at[d] < region.origin[d] + region.shape[d]) break;
        at[d] = region.origin[d];
      }
    }
    return {};
  }

  std::string Fingerprint(const nd::Box& region) const override {
    std::string text = "mask box ";
    for (size_t d = 0; d < inside_.size(); ++d) {
      for (uint64_t i = 0; !inside_[d].empty() && i < region.shape[d]; ++i) {
        text += inside_[d][region.origin[d] + i] ? "1" : "0";
      }
      text += ",";
    }
    return text + "\n";
  }

 private:
  const std::vector<std::vector<bool>> inside_;
};

StepResult ByBox(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  std::vector<std::vector<bool>> inside(input.axes.size());
  for (const NamedNumbers& named : spec.At("box").by_name) {
    SEAMOUNT_TRY_ASSIGN(const auto dimension, DimensionFor(input, named.name, scope));
    if (!dimension) return std::optional<MadeStep>();
    const GridAxis& axis = *input.axes[*dimension];
    if (axis.values.empty()) return base::InvalidArgument("'" + axis.name + "' has no coordinate values");
    const bool around = axis.kind == cf::Axis::kLongitude;
    double low = named.numbers[0];
    double high = named.numbers[1];
    if (!around && low > high) std::swap(low, high);
    while (around && high < low) high += 360;
    const double tolerance = CoordinateTolerance(axis.values, high);
    for (double value : axis.values) {
      if (around) value -= 360 * std::floor((value - low + tolerance) / 360);
      inside[*dimension].push_back(value >= low - tolerance && value <= high + tolerance);
    }
  }
  return std::optional(MadeStep{std::make_unique<BoxStep>(std::move(inside)), input});
}

}  // namespace

StepResult MakeMask(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  const bool limited = spec.Has("above") || spec.Has("below");
  if (spec.Has("by") == spec.Has("box") || (limited && spec.Has("box"))) {
    return base::InvalidArgument("it needs either 'by', a variable (with 'above' or 'below'), or a 'box'");
  }
  if (spec.Has("box")) return ByBox(spec, input, scope);
  SEAMOUNT_TRY_ASSIGN(const NodePtr mask, scope.find(spec.Text("by", "")));
  std::vector<size_t> dimensions;
  for (const AxisPtr& axis : mask->grid().axes) {
    const auto found =
        std::find_if(input.axes.begin(), input.axes.end(), [&](const AxisPtr& own) { return SameAxis(*own, *axis); });
    if (found == input.axes.end()) {
      return base::InvalidArgument("'" + spec.Text("by", "") + "' has other dimensions: other places along '" +
                                   axis->name + "'");
    }
    dimensions.push_back(static_cast<size_t>(found - input.axes.begin()));
  }
  constexpr double kEverything = std::numeric_limits<double>::infinity();
  auto step = std::make_unique<MaskStep>(std::move(dimensions), spec.Number("above", -kEverything),
                                         spec.Number("below", kEverything), !limited);
  return std::optional(MadeStep{std::move(step), input, {mask}});
}

}  // namespace seamount::prepare
