// Values only where another variable, a box of coordinates or an area of the map allows them; elsewhere they are
// missing.
#include <algorithm>
#include <cmath>
#include <limits>

#include "prepare/polygons.h"
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

class AreaStep final : public PointStep {
 public:
  // Which places are kept, rows of longitudes; where in the grid latitude and longitude are.
  AreaStep(std::vector<bool> kept, size_t lat, size_t lon, uint64_t width)
      : kept_(std::move(kept)), lat_(lat), lon_(lon), width_(width) {}

  Result<void> Change(const nd::Box& region, std::span<const double> values, std::span<double> into) const override {
    nd::Index at = region.origin;
    for (size_t i = 0; i < into.size(); ++i) {
      into[i] = kept_[at[lat_] * width_ + at[lon_]] ? values[i] : kMissing;
      for (size_t d = at.size(); d-- > 0;) {
        if (++at[d] < region.origin[d] + region.shape[d]) break;
        at[d] = region.origin[d];
      }
    }
    return {};
  }

  // A change of an outline rewrites only where other places lie inside.
  std::string Fingerprint(const nd::Box& region) const override {
    std::string text = "mask area ";
    for (uint64_t y = 0; y < region.shape[lat_]; ++y) {
      for (uint64_t x = 0; x < region.shape[lon_]; ++x) {
        text += kept_[(region.origin[lat_] + y) * width_ + region.origin[lon_] + x] ? "1" : "0";
      }
    }
    return text + "\n";
  }

 private:
  const std::vector<bool> kept_;
  const size_t lat_;
  const size_t lon_;
  const uint64_t width_;
};

StepResult ByArea(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  std::optional<size_t> lat;
  std::optional<size_t> lon;
  for (size_t d = 0; d < input.axes.size(); ++d) {
    if (input.axes[d]->kind == cf::Axis::kLatitude) lat = d;
    if (input.axes[d]->kind == cf::Axis::kLongitude) lon = d;
  }
  if (!lat || !lon) {
    if (scope.for_all) return std::optional<MadeStep>();
    return base::InvalidArgument(
        "an area needs latitude and longitude along dimensions: 'regrid' first, or mask 'by' a variable");
  }
  // ReadRecipe has put there what the file holds.
  SEAMOUNT_TRY_ASSIGN(const std::vector<Polygon> polygons, ParseGeoJson(spec.Text("geojson", "")));
  std::vector<bool> kept = Inside(polygons, input.axes[*lat]->values, input.axes[*lon]->values);
  if (spec.Text("keep", "inside") == "outside") kept.flip();
  if (std::find(kept.begin(), kept.end(), true) == kept.end()) {
    return base::InvalidArgument("no place of the grid lies " + spec.Text("keep", "inside") +
                                 " of the areas: points are [longitude, latitude]");
  }
  const uint64_t width = input.axes[*lon]->values.size();
  return std::optional(MadeStep{std::make_unique<AreaStep>(std::move(kept), *lat, *lon, width), input});
}

}  // namespace

StepResult MakeMask(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  const bool limited = spec.Has("above") || spec.Has("below");
  const bool area = spec.Has("geojson");
  int kinds = 0;
  for (const char* kind : {"by", "box", "geojson"}) kinds += spec.Has(kind) ? 1 : 0;
  if (kinds != 1 || (limited && !spec.Has("by")) || (spec.Has("keep") && !area)) {
    return base::InvalidArgument(
        "it needs either 'by', a variable (with 'above' or 'below'), or a 'box', or 'geojson', a file of areas "
        "(with 'keep')");
  }
  if (area) return ByArea(spec, input, scope);
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
