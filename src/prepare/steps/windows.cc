// Steps that look along a dimension: running means, lags, differences. None looks over a gap in time.
#include <algorithm>
#include <limits>

#include "prepare/steps.h"
#include "prepare/steps/lines.h"
#include "prepare/steps/reduce.h"

namespace seamount::prepare {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// Where each place's stretch without a gap begins, and ends.
struct Stretches {
  explicit Stretches(const GridAxis& axis) : begin(axis.size, 0), end(axis.size, axis.size) {
    uint64_t start = 0;
    for (const uint64_t gap : axis.gaps) {
      std::fill(end.begin() + static_cast<std::ptrdiff_t>(start), end.begin() + static_cast<std::ptrdiff_t>(gap), gap);
      start = gap;
      std::fill(begin.begin() + static_cast<std::ptrdiff_t>(gap), begin.end(), gap);
    }
  }
  std::vector<uint64_t> begin;
  std::vector<uint64_t> end;
};

// A value that is made of those from place - before to place + after, where all of these lie in one stretch.
class WindowStep : public Step {
 public:
  WindowStep(size_t dimension, const GridAxis& axis, uint64_t before, uint64_t after)
      : dimension_(dimension), size_(axis.size), before_(before), after_(after), stretches_(axis) {}

  nd::Box InputRegion(size_t, const nd::Box& output) const override {
    const uint64_t from = output.origin[dimension_];
    const uint64_t to = from + output.shape[dimension_];
    return WithRange(output, dimension_, from - std::min(from, before_), std::min(size_, to + after_));
  }

  Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const override {
    const nd::Box needed = InputRegion(0, region);
    SEAMOUNT_TRY_ASSIGN(const auto values, inputs.Read(0, needed));
    const Lines lines = LinesOf(region.shape, dimension_);
    const uint64_t rows = needed.shape[dimension_];
    for (uint64_t o = 0; o < lines.outer; ++o) {
      for (uint64_t p = 0; p < lines.count; ++p) {
        const uint64_t place = region.origin[dimension_] + p;
        double* row = into.data() + (o * lines.count + p) * lines.inner;
        const bool whole = place >= stretches_.begin[place] + before_ && place + after_ < stretches_.end[place];
        const uint64_t from = place - before_ - needed.origin[dimension_];
        const double* first = whole ? values.data() + (o * rows + from) * lines.inner : nullptr;
        const double* here = values.data() + (o * rows + place - needed.origin[dimension_]) * lines.inner;
        Row(first, here, lines.inner, row);
      }
    }
    return {};
  }

  // Which of the windows are whole is part of it.
  std::string Fingerprint(const nd::Box& region) const override {
    std::string text = Name() + " " + std::to_string(before_) + " " + std::to_string(after_) + ":";
    const uint64_t from = region.origin[dimension_];
    for (uint64_t place = from; place < from + region.shape[dimension_]; ++place) {
      const uint64_t behind = std::min(before_, place - stretches_.begin[place]);
      const uint64_t ahead = std::min(after_, stretches_.end[place] - 1 - place);
      if (behind < before_ || ahead < after_) {
        text += std::to_string(place - from) + "=" + std::to_string(behind) + "," + std::to_string(ahead) + ";";
      }
    }
    return text + "\n";
  }

 protected:
  // One row of `inner` values. `first`: the first row of the window, others follow; null: it is not whole.
  virtual void Row(const double* first, const double* here, uint64_t inner, double* into) const = 0;
  virtual std::string Name() const = 0;
  uint64_t window() const { return before_ + after_ + 1; }

 private:
  const size_t dimension_;
  const uint64_t size_;
  const uint64_t before_;
  const uint64_t after_;
  const Stretches stretches_;
};

// Of whole windows without a missing value.
class RollingStep final : public WindowStep {
 public:
  RollingStep(size_t dimension, const GridAxis& axis, uint64_t before, uint64_t after, Reduction how)
      : WindowStep(dimension, axis, before, after), how_(how) {}

 protected:
  void Row(const double* first, const double*, uint64_t inner, double* into) const override {
    for (uint64_t i = 0; i < inner; ++i) {
      Reduced sum;
      for (uint64_t k = 0; first != nullptr && k < window(); ++k) sum.Add(how_, first[k * inner + i]);
      into[i] = sum.weight == static_cast<double>(window()) ? sum.Get(how_) : kMissing;
    }
  }
  std::string Name() const override { return "rolling " + std::to_string(static_cast<int>(how_)); }

 private:
  const Reduction how_;
};

class LagStep final : public WindowStep {
 public:
  LagStep(size_t dimension, const GridAxis& axis, int64_t steps)
      : WindowStep(dimension, axis, steps > 0 ? static_cast<uint64_t>(steps) : 0,
                   steps < 0 ? static_cast<uint64_t>(-steps) : 0),
        behind_(steps >= 0) {}

 protected:
  void Row(const double* first, const double*, uint64_t inner, double* into) const override {
    const double* from = first == nullptr || behind_ ? first : first + (window() - 1) * inner;
    for (uint64_t i = 0; i < inner; ++i) into[i] = from == nullptr ? kMissing : from[i];
  }
  std::string Name() const override { return behind_ ? "lag" : "lead"; }

 private:
  const bool behind_;
};

// A sum since a start, less the sum at the place before. The first place holds what was added since the start, if sums
// start anew; so does one where the sum has fallen.
class DifferenceStep final : public WindowStep {
 public:
  DifferenceStep(size_t dimension, const GridAxis& axis, bool falls, bool first_counts)
      : WindowStep(dimension, axis, 1, 0), falls_(falls), first_counts_(first_counts) {}

 protected:
  void Row(const double* first, const double* here, uint64_t inner, double* into) const override {
    for (uint64_t i = 0; i < inner; ++i) {
      if (first == nullptr) {
        into[i] = first_counts_ ? here[i] : kMissing;
      } else {
        const double change = here[i] - first[i];
        into[i] = falls_ && change < 0 ? here[i] : change;
      }
    }
  }
  std::string Name() const override {
    return std::string("deaccumulate ") + (falls_ ? "falls" : "never") + (first_counts_ ? " first" : "");
  }

 private:
  const bool falls_;
  const bool first_counts_;
};

}  // namespace

StepResult MakeRolling(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  SEAMOUNT_TRY_ASSIGN(const auto time, TimeFor(input, scope));
  if (!time) return std::optional<MadeStep>();
  const auto steps = static_cast<uint64_t>(spec.Number("steps", 1));
  // As xarray: of an even number one more lies before than behind.
  const uint64_t after = spec.Text("align", "end") == "center" ? (steps - 1) / 2 : 0;
  auto step = std::make_unique<RollingStep>(*time, *input.axes[*time], steps - 1 - after, after,
                                            ReductionOf(spec.Text("how", "mean")));
  return std::optional(MadeStep{std::move(step), input});
}

StepResult MakeLag(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  SEAMOUNT_TRY_ASSIGN(const auto time, TimeFor(input, scope));
  if (!time) return std::optional<MadeStep>();
  auto step = std::make_unique<LagStep>(*time, *input.axes[*time], static_cast<int64_t>(spec.Number("steps", 1)));
  return std::optional(MadeStep{std::move(step), input});
}

// Along time nobody knows what lies before the first step, or a gap, unless sums start anew there: it is missing. Along
// another dimension, the steps of a forecast, sums start at the first place.
StepResult MakeDeaccumulate(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  SEAMOUNT_TRY_ASSIGN(const auto along, DimensionFor(input, spec.Text("along", ""), scope));
  if (!along) return std::optional<MadeStep>();
  const GridAxis& axis = *input.axes[*along];
  const bool falls = spec.Text("reset", "never") == "falls";
  auto step = std::make_unique<DifferenceStep>(*along, axis, falls, !axis.dated());
  return std::optional(MadeStep{std::move(step), input});
}

}  // namespace seamount::prepare
