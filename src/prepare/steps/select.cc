// Some places of a dimension, by coordinate value or by date.
#include "prepare/steps/select.h"

#include <algorithm>
#include <cmath>

#include "prepare/selection.h"
#include "prepare/source_text.h"
#include "prepare/steps.h"

namespace seamount::prepare {
namespace {

// Places of one dimension, in the order given; a single one may leave without the dimension.
class PickStep final : public Step {
 public:
  PickStep(size_t dimension, std::vector<uint64_t> places, bool dropped)
      : dimension_(dimension), places_(std::move(places)), dropped_(dropped) {}

  nd::Box InputRegion(size_t, const nd::Box& output) const override {
    nd::Box box = output;
    if (dropped_) {
      box.origin.insert(box.origin.begin() + static_cast<std::ptrdiff_t>(dimension_), places_[0]);
      box.shape.insert(box.shape.begin() + static_cast<std::ptrdiff_t>(dimension_), 1);
      return box;
    }
    const auto from = places_.begin() + static_cast<std::ptrdiff_t>(output.origin[dimension_]);
    const auto [low, high] = std::minmax_element(from, from + static_cast<std::ptrdiff_t>(output.shape[dimension_]));
    box.origin[dimension_] = *low;
    box.shape[dimension_] = *high - *low + 1;
    return box;
  }

  nd::Box AtOnce(size_t input, const nd::Box& output) const override {
    nd::Box box = InputRegion(input, output);
    if (!dropped_) box.shape[dimension_] = std::min(box.shape[dimension_], output.shape[dimension_]);
    return box;
  }

  // What lies between the places is not read: run by run.
  Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const override {
    if (dropped_) {
      SEAMOUNT_TRY_ASSIGN(const auto values, inputs.Read(0, InputRegion(0, region)));
      std::copy(values.begin(), values.end(), into.begin());
      return {};
    }
    uint64_t outer = 1;
    uint64_t inner = 1;
    for (size_t d = 0; d < region.shape.size(); ++d) {
      if (d < dimension_) outer *= region.shape[d];
      if (d > dimension_) inner *= region.shape[d];
    }
    const uint64_t count = region.shape[dimension_];
    for (uint64_t i = 0; i < count;) {
      const uint64_t first = places_[region.origin[dimension_] + i];
      uint64_t run = 1;
      while (i + run < count && places_[region.origin[dimension_] + i + run] == first + run) ++run;
      nd::Box box = region;
      box.origin[dimension_] = first;
      box.shape[dimension_] = run;
      SEAMOUNT_TRY_ASSIGN(const auto values, inputs.Read(0, box));
      for (uint64_t o = 0; o < outer; ++o) {
        std::copy_n(values.data() + o * run * inner, run * inner, into.data() + (o * count + i) * inner);
      }
      i += run;
    }
    return {};
  }

  std::string Fingerprint(const nd::Box& region) const override {
    std::string text = "pick " + std::to_string(dimension_) + ":";
    const uint64_t start = dropped_ ? 0 : region.origin[dimension_];
    const uint64_t base = places_[start];
    const uint64_t count = dropped_ ? 1 : region.shape[dimension_];
    for (uint64_t i = start; i < start + count; ++i) {
      text += std::to_string(static_cast<int64_t>(places_[i]) - static_cast<int64_t>(base)) + ",";
    }
    return text + "\n";
  }

 private:
  const size_t dimension_;
  const std::vector<uint64_t> places_;
  const bool dropped_;
};

Result<uint64_t> PlaceOf(const GridAxis& axis, double wanted) {
  if (axis.values.empty()) return base::InvalidArgument("'" + axis.name + "' has no coordinate values");
  const double tolerance = CoordinateTolerance(axis.values, wanted);
  for (uint64_t i = 0; i < axis.size; ++i) {
    if (std::abs(axis.values[i] - wanted) <= tolerance) return i;
  }
  std::string there;
  for (uint64_t i = 0; i < std::min<uint64_t>(axis.size, 12); ++i) {
    there += (i > 0 ? ", " : "") + PlainNumber(axis.values[i]);
  }
  return base::InvalidArgument("'" + axis.name + "' has no " + PlainNumber(wanted) + ": it has " + there +
                               (axis.size > 12 ? ", …" : ""));
}

}  // namespace

std::unique_ptr<Step> PickPlaces(size_t dimension, std::vector<uint64_t> places) {
  return std::make_unique<PickStep>(dimension, std::move(places), false);
}

// One dimension after another: each is a step of its own to the next, so they are chained by name.
StepResult MakeSelect(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  const std::vector<NamedNumbers>& places = spec.At("places").by_name;
  const NamedNumbers& wanted = places[0];
  SEAMOUNT_TRY_ASSIGN(const auto dimension, DimensionFor(input, wanted.name, scope));
  if (!dimension) return std::optional<MadeStep>();
  const GridAxis& axis = *input.axes[*dimension];
  std::vector<uint64_t> picked;
  for (const double value : wanted.numbers) {
    SEAMOUNT_TRY_ASSIGN(picked.emplace_back(), PlaceOf(axis, value));
  }
  Grid grid = input;
  const auto at = static_cast<std::ptrdiff_t>(*dimension);
  if (wanted.listed) {
    for (size_t i = 1; i < picked.size() && axis.kind == cf::Axis::kTime; ++i) {
      if (picked[i] <= picked[i - 1]) return base::InvalidArgument("times must be named in order");
    }
    grid.axes[*dimension] = PickFrom(axis, picked);
  } else {
    grid.axes.erase(grid.axes.begin() + at);
    if (!grid.chunk.empty()) grid.chunk.erase(grid.chunk.begin() + at);
    // Where it was: variables may be of different places, so that no coordinate of the group can say it.
    grid.attributes.push_back({axis.name, nd::DataType::kFloat64, "", {axis.values[picked[0]]}});
  }
  return std::optional(MadeStep{std::make_unique<PickStep>(*dimension, picked, !wanted.listed), std::move(grid)});
}

StepResult MakeTimes(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  SEAMOUNT_TRY_ASSIGN(const auto dimension, TimeFor(input, scope));
  if (!dimension) return std::optional<MadeStep>();
  const GridAxis& axis = *input.axes[*dimension];
  const auto among = [&](const char* key, int64_t value) {
    if (!spec.Has(key)) return true;
    const std::vector<double>& wanted = spec.At(key).numbers;
    return std::find(wanted.begin(), wanted.end(), static_cast<double>(value)) != wanted.end();
  };
  std::vector<uint64_t> picked;
  for (uint64_t t = 0; t < axis.size; ++t) {
    const cf::Date date = cf::DateOf(axis.calendar, axis.moments[t]);
    constexpr int64_t kHour = 3'600'000'000;
    const bool on_the_hour = !spec.Has("hours") || date.microsecond % kHour == 0;
    if (among("months", date.month) && on_the_hour && among("hours", date.microsecond / kHour)) picked.push_back(t);
  }
  if (picked.empty()) return base::InvalidArgument("no step of '" + axis.name + "' is in these months and hours");
  Grid grid = input;
  grid.axes[*dimension] = PickFrom(axis, picked);
  return std::optional(MadeStep{std::make_unique<PickStep>(*dimension, std::move(picked), false), std::move(grid)});
}

}  // namespace seamount::prepare
