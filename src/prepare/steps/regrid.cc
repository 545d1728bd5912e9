// To other latitudes and longitudes, and to coarser blocks of them. Along each of the two a place of the output is a
// weighted sum of some places of the input, so that a grid point is a sum over a small rectangle: all methods differ
// only in these weights.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "prepare/selection.h"
#include "prepare/source_text.h"
#include "prepare/steps.h"
#include "prepare/steps/reduce.h"

namespace seamount::prepare {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kCircle = 360;

struct Weight {
  uint64_t place = 0;
  double weight = 0;
};
using Weights = std::vector<std::vector<Weight>>;  // for each place of the output

enum class Missing {
  kSpreads,    // one missing value of non-zero weight makes a missing one
  kIsLeftOut,  // the others count for it
};

// The two dimensions in their order in the array; others pass.
class WeightsStep final : public Step {
 public:
  WeightsStep(std::vector<size_t> dimensions, std::vector<Weights> weights, Reduction how, Missing missing,
              std::string name)
      : dimensions_(std::move(dimensions)),
        weights_(std::move(weights)),
        how_(how),
        missing_(missing),
        name_(std::move(name)) {}

  nd::Box InputRegion(size_t, const nd::Box& output) const override {
    nd::Box box = output;
    for (size_t k = 0; k < dimensions_.size(); ++k) {
      const size_t d = dimensions_[k];
      uint64_t low = std::numeric_limits<uint64_t>::max();
      uint64_t high = 0;
      for (uint64_t i = output.origin[d]; i < output.origin[d] + output.shape[d]; ++i) {
        for (const Weight& weight : weights_[k][i]) {
          low = std::min(low, weight.place);
          high = std::max(high, weight.place + 1);
        }
      }
      box.origin[d] = high == 0 ? 0 : low;
      box.shape[d] = high == 0 ? 0 : high - low;
    }
    return box;
  }

  Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const override {
    const nd::Box needed = InputRegion(0, region);
    if (nd::IsEmpty(needed)) {
      std::fill(into.begin(), into.end(), kMissing);
      return {};
    }
    SEAMOUNT_TRY_ASSIGN(const auto values, inputs.Read(0, needed));
    std::vector<uint64_t> strides(region.shape.size(), 1);
    for (size_t d = strides.size() - 1; d-- > 0;) strides[d] = strides[d + 1] * needed.shape[d + 1];
    nd::Index at = region.origin;
    for (double& out : into) {
      uint64_t base = 0;
      for (size_t d = 0; d < at.size(); ++d) {
        if (std::find(dimensions_.begin(), dimensions_.end(), d) == dimensions_.end()) {
          base += (at[d] - region.origin[d]) * strides[d];
        }
      }
      Sum sum;
      Walk(0, values.data() + base, 1, needed, strides, at, sum);
      out = sum.spoilt ? kMissing : sum.reduced.Get(how_);
      for (size_t d = at.size(); d-- > 0;) {
        if (++at[d] < region.origin[d] + region.shape[d]) break;
        at[d] = region.origin[d];
      }
    }
    return {};
  }

  std::string Fingerprint(const nd::Box& region) const override {
    std::string text = name_ + " " + std::to_string(static_cast<int>(how_)) + ":";
    for (size_t k = 0; k < dimensions_.size(); ++k) {
      const size_t d = dimensions_[k];
      text += std::to_string(d) + ":";
      for (uint64_t i = region.origin[d]; i < region.origin[d] + region.shape[d]; ++i) {
        for (const Weight& weight : weights_[k][i]) {
          text += std::to_string(weight.place) + "*" + NumberText(weight.weight) + ",";
        }
        text += ";";
      }
    }
    return text + "\n";
  }

 private:
  struct Sum {
    Reduced reduced;
    bool spoilt = false;
  };

  void Walk(size_t k, const double* from, double weight, const nd::Box& needed, const std::vector<uint64_t>& strides,
            const nd::Index& at, Sum& sum) const {
    if (k == dimensions_.size()) {
      sum.spoilt = sum.spoilt || (missing_ == Missing::kSpreads && std::isnan(*from));
      sum.reduced.Add(how_, *from, weight);
      return;
    }
    const size_t d = dimensions_[k];
    for (const Weight& one : weights_[k][at[d]]) {
      Walk(k + 1, from + (one.place - needed.origin[d]) * strides[d], weight * one.weight, needed, strides, at, sum);
    }
  }

  const std::vector<size_t> dimensions_;
  const std::vector<Weights> weights_;
  const Reduction how_;
  const Missing missing_;
  const std::string name_;
};

// Ascending or descending, without a value twice.
Result<bool> Ascends(const GridAxis& axis) {
  const std::vector<double>& values = axis.values;
  if (values.size() < 2) return base::InvalidArgument("'" + axis.name + "' has fewer than two coordinate values");
  const bool ascends = values[1] > values[0];
  for (size_t i = 1; i < values.size(); ++i) {
    if (values[i] == values[i - 1] || (values[i] > values[i - 1]) != ascends || !std::isfinite(values[i])) {
      return base::InvalidArgument("the values of '" + axis.name + "' are not in order");
    }
  }
  return ascends;
}

// Whether longitudes go once around, so that the first follows the last.
bool GoesAround(const std::vector<double>& values) {
  const double span = std::abs(values.back() - values.front());
  const double spacing = span / static_cast<double>(values.size() - 1);
  return std::abs(span + spacing - kCircle) < 0.5 * spacing;
}

// Half-way between neighbours, and as far beyond the ends; latitudes end at the poles.
std::vector<double> EdgesOf(const std::vector<double>& centers, bool latitude) {
  const size_t n = centers.size();
  std::vector<double> edges(n + 1);
  for (size_t i = 1; i < n; ++i) edges[i] = (centers[i - 1] + centers[i]) / 2;
  edges[0] = centers[0] - (edges[1] - centers[0]);
  edges[n] = centers[n - 1] + (centers[n - 1] - edges[n - 1]);
  for (double& edge : edges) edge = latitude ? std::clamp(edge, -90.0, 90.0) : edge;
  return edges;
}

double Sine(double degrees) { return std::sin(degrees * std::numbers::pi / 180); }

// The parts of the input's cells that lie in each of the output's, by area: along latitude by the sine.
Weights Overlaps(const std::vector<double>& from, const std::vector<double>& to, bool latitude, bool periodic) {
  const std::vector<double> from_edges = EdgesOf(from, latitude);
  const std::vector<double> to_edges = EdgesOf(to, latitude);
  Weights out(to.size());
  for (size_t j = 0; j < to.size(); ++j) {
    const double low = std::min(to_edges[j], to_edges[j + 1]);
    const double high = std::max(to_edges[j], to_edges[j + 1]);
    for (size_t i = 0; i < from.size(); ++i) {
      const double start = std::min(from_edges[i], from_edges[i + 1]);
      const double stop = std::max(from_edges[i], from_edges[i + 1]);
      double area = 0;
      for (int turn = periodic ? -2 : 0; turn <= (periodic ? 2 : 0); ++turn) {
        const double a = std::max(low, start + turn * kCircle);
        const double b = std::min(high, stop + turn * kCircle);
        if (b - a > 1e-9) area += latitude ? Sine(b) - Sine(a) : b - a;
      }
      if (area > 0) out[j].push_back({i, area});
    }
  }
  return out;
}

// The neighbours of a place, and how far it is from the first to the second; nothing outside the input.
struct Between {
  uint64_t before = 0;
  uint64_t after = 0;
  double part = 0;
};
std::optional<Between> Find(const std::vector<double>& values, bool ascends, bool around, double wanted,
                            double tolerance) {
  const size_t n = values.size();
  const double low = ascends ? values.front() : values.back();
  if (around) wanted = low + std::fmod(std::fmod(wanted - low, kCircle) + kCircle, kCircle);
  if (around && kCircle - (wanted - low) <= tolerance) wanted = low;
  const auto index = [&](size_t k) { return ascends ? k : n - 1 - k; };  // the k-th from below
  const double high = values[index(n - 1)];
  if (wanted < low - tolerance) return std::nullopt;
  if (wanted > high + tolerance) {
    if (!around) return std::nullopt;
    return Between{index(n - 1), index(0), (wanted - high) / (low + kCircle - high)};
  }
  wanted = std::clamp(wanted, low, high);
  size_t k = 0;
  while (k + 2 < n && values[index(k + 1)] <= wanted) ++k;
  const double a = values[index(k)];
  return Between{index(k), index(k + 1), (wanted - a) / (values[index(k + 1)] - a)};
}

Result<Weights> WeightsFor(const GridAxis& from, const std::vector<double>& to, const std::string& method,
                           bool latitude) {
  SEAMOUNT_TRY_ASSIGN(const bool ascends, Ascends(from));
  const bool around = !latitude && GoesAround(from.values);
  if (method == "conservative") {
    if (to.size() < 2)
      return base::InvalidArgument("'conservative' needs two places at least along '" + from.name + "'");
    return Overlaps(from.values, to, latitude, !latitude);
  }
  const double tolerance = CoordinateTolerance(from.values, kCircle);
  const double spacing =
      std::abs(from.values.back() - from.values.front()) / static_cast<double>(from.values.size() - 1);
  Weights out;
  for (double wanted : to) {
    // Longitudes of another count are the same places.
    std::optional<Between> found = Find(from.values, ascends, around, wanted, tolerance);
    for (int turn = -1; turn <= 1 && !found && !latitude; ++turn) {
      found = Find(from.values, ascends, around, wanted + turn * kCircle, tolerance);
    }
    if (!found && method == "nearest") found = Find(from.values, ascends, around, wanted, spacing / 2 + tolerance);
    std::vector<Weight>& weights = out.emplace_back();
    if (!found) continue;
    if (method == "nearest") {
      weights.push_back({found->part < 0.5 ? found->before : found->after, 1});
      continue;
    }
    if (found->part < 1) weights.push_back({found->before, 1 - found->part});
    if (found->part > 0) weights.push_back({found->after, found->part});
  }
  return out;
}

Result<std::vector<double>> Ticks(const NamedNumbers& named) {
  const double from = named.numbers[0];
  const double to = named.numbers[1];
  const double step = named.numbers[2];
  constexpr double kMost = 100'000;
  if (step == 0 || (to - from) / step < 0 || (to - from) / step > kMost) {
    return base::InvalidArgument("'" + named.name + "': steps of " + PlainNumber(step) + " do not lead from " +
                                 PlainNumber(from) + " to " + PlainNumber(to));
  }
  std::vector<double> out;
  const auto count = static_cast<uint64_t>(std::floor((to - from) / step + 1e-9)) + 1;
  for (uint64_t i = 0; i < count; ++i) out.push_back(from + static_cast<double>(i) * step);
  return out;
}

void Scale(nd::Index& chunk, size_t dimension, uint64_t before, uint64_t after) {
  if (chunk.empty()) return;
  chunk[dimension] = std::clamp<uint64_t>(chunk[dimension] * after / std::max<uint64_t>(1, before), 1, after);
}

// The step that applies these weights, each along a dimension of its own. `key` has them in the recipe.
StepResult WeightsAlong(std::vector<std::pair<size_t, Weights>> along, const Grid& input, Grid grid, const char* key,
                        Reduction how, Missing missing, std::string name) {
  std::sort(along.begin(), along.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<size_t> dimensions;
  std::vector<Weights> weights;
  for (auto& [dimension, own] : along) {
    if (!dimensions.empty() && dimensions.back() == dimension) {
      return base::InvalidArgument("'" + std::string(key) + "' names '" + input.axes[dimension]->name + "' twice");
    }
    dimensions.push_back(dimension);
    weights.push_back(std::move(own));
  }
  auto step = std::make_unique<WeightsStep>(std::move(dimensions), std::move(weights), how, missing, std::move(name));
  return std::optional(MadeStep{std::move(step), std::move(grid)});
}

}  // namespace

StepResult MakeRegrid(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  const std::string method = spec.Text("method", "bilinear");
  Grid grid = input;
  std::vector<std::pair<size_t, Weights>> along;
  for (const NamedNumbers& named : spec.At("to").by_name) {
    SEAMOUNT_TRY_ASSIGN(const auto dimension, DimensionFor(input, named.name, scope));
    if (!dimension) return std::optional<MadeStep>();
    const GridAxis& axis = *input.axes[*dimension];
    const bool latitude = axis.kind == cf::Axis::kLatitude;
    if (!latitude && axis.kind != cf::Axis::kLongitude) {
      return base::InvalidArgument("'" + axis.name +
                                   "' is neither latitude nor longitude (by units, standard_name or "
                                   "name), and 'regrid' is for these");
    }
    SEAMOUNT_TRY_ASSIGN(const std::vector<double> to, Ticks(named));
    for (const double value : to) {
      if (latitude && std::abs(value) > 90 + 1e-9) {
        return base::InvalidArgument("there is no latitude " + PlainNumber(value));
      }
    }
    SEAMOUNT_TRY_ASSIGN(Weights weights, WeightsFor(axis, to, method, latitude));
    const auto outside = std::count_if(weights.begin(), weights.end(), [](const auto& one) { return one.empty(); });
    if (outside == static_cast<std::ptrdiff_t>(to.size())) {
      return base::InvalidArgument("nothing of '" + named.name + "' lies where the data are");
    }
    if (outside > 0) {
      scope.notes.push_back(std::to_string(outside) + " places of '" + named.name +
                            "' lie outside the data, and are missing after 'regrid'");
    }
    grid.axes[*dimension] = WithValues(axis, to);
    Scale(grid.chunk, *dimension, axis.size, to.size());
    along.emplace_back(*dimension, std::move(weights));
  }
  const Missing missing = method == "bilinear" ? Missing::kSpreads : Missing::kIsLeftOut;
  return WeightsAlong(std::move(along), input, std::move(grid), "to", Reduction::kMean, missing, "regrid " + method);
}

// What is left of a dimension at its end, fewer than a block, is left out, and said.
StepResult MakeCoarsen(const StepSpec& spec, const Grid& input, const StepScope& scope) {
  Grid grid = input;
  std::vector<std::pair<size_t, Weights>> along;
  const Reduction how = ReductionOf(spec.Text("how", "mean"));
  for (const NamedNumbers& named : spec.At("by").by_name) {
    SEAMOUNT_TRY_ASSIGN(const auto dimension, DimensionFor(input, named.name, scope));
    if (!dimension) return std::optional<MadeStep>();
    const GridAxis& axis = *input.axes[*dimension];
    if (axis.dated()) return base::InvalidArgument("'" + axis.name + "' is time, which 'resample' is for");
    const auto block = static_cast<uint64_t>(named.numbers[0]);
    const uint64_t size = axis.size / block;
    if (size == 0) {
      return base::InvalidArgument("'" + axis.name + "' has " + std::to_string(axis.size) +
                                   " places, fewer than one block");
    }
    if (axis.size % block != 0) {
      scope.notes.push_back("'coarsen' leaves out the last " + std::to_string(axis.size % block) + " places of '" +
                            axis.name + "', which are no whole block");
    }
    const bool latitude = axis.kind == cf::Axis::kLatitude && how == Reduction::kMean;
    if (latitude) SEAMOUNT_TRY(Ascends(axis));
    const std::vector<double> edges = latitude ? EdgesOf(axis.values, true) : std::vector<double>();
    Weights weights(size);
    std::vector<double> values;
    for (uint64_t j = 0; j < size; ++j) {
      double sum = 0;
      for (uint64_t i = j * block; i < (j + 1) * block; ++i) {
        weights[j].push_back({i, latitude ? std::abs(Sine(edges[i + 1]) - Sine(edges[i])) : 1});
        sum += axis.values.empty() ? 0 : axis.values[i];
      }
      if (!axis.values.empty()) values.push_back(sum / static_cast<double>(block));
    }
    if (values.empty()) {
      GridAxis bare = axis;
      bare.size = size;
      bare.of_source = false;
      grid.axes[*dimension] = std::make_shared<const GridAxis>(std::move(bare));
    } else {
      grid.axes[*dimension] = WithValues(axis, std::move(values));
    }
    Scale(grid.chunk, *dimension, axis.size, size);
    along.emplace_back(*dimension, std::move(weights));
  }
  return WeightsAlong(std::move(along), input, std::move(grid), "by", how, Missing::kIsLeftOut, "coarsen");
}

}  // namespace seamount::prepare
