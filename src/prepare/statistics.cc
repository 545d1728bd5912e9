#include "prepare/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "base/text.h"
#include "source/copy_box.h"

namespace seamount::prepare {
namespace {

using source::Elements;
using source::Index;

constexpr uint64_t kSegments = 8;                  // enough for the cores of a machine that prepares one field
constexpr uint64_t kSegmentSumsBytes = 128 << 20;  // sums of all segments together, where the field is large

// A symmetric matrix as its lower triangle, row by row; only the diagonal where the basis is exclusive.
struct Gram {
  size_t terms;
  bool diagonal;
  size_t size() const { return diagonal ? terms : terms * (terms + 1) / 2; }

  void Add(const double* weights, double sign, double* into) const {
    size_t at = 0;
    for (size_t i = 0; i < terms; ++i) {
      if (diagonal) {
        into[i] += sign * weights[i] * weights[i];
        continue;
      }
      for (size_t j = 0; j <= i; ++j) into[at++] += sign * weights[i] * weights[j];
    }
  }

  // Solves A c = b in place by Cholesky; false when A is singular. An exclusive term without data is NaN by itself.
  bool Solve(std::vector<double>& a, std::vector<double>& b) const {
    if (diagonal) {
      for (size_t i = 0; i < terms; ++i) b[i] = a[i] > 0 ? b[i] / a[i] : std::numeric_limits<double>::quiet_NaN();
      return true;
    }
    const auto at = [&](size_t i, size_t j) -> double& { return a[i * (i + 1) / 2 + j]; };
    const double least = 1e-10 * a[0];  // a[0] counts the steps; a fit that rests on less is none
    for (size_t j = 0; j < terms; ++j) {
      for (size_t k = 0; k < j; ++k) at(j, j) -= at(j, k) * at(j, k);
      if (!(at(j, j) > least)) return false;
      at(j, j) = std::sqrt(at(j, j));
      for (size_t i = j + 1; i < terms; ++i) {
        for (size_t k = 0; k < j; ++k) at(i, j) -= at(i, k) * at(j, k);
        at(i, j) /= at(j, j);
      }
    }
    for (size_t i = 0; i < terms; ++i) {
      for (size_t k = 0; k < i; ++k) b[i] -= at(i, k) * b[k];
      b[i] /= at(i, i);
    }
    for (size_t i = terms; i-- > 0;) {
      for (size_t k = i + 1; k < terms; ++k) b[i] -= at(k, i) * b[k];
      b[i] /= at(i, i);
    }
    return true;
  }
};

// What is added up over one tile and segment.
struct Sums {
  std::vector<double> projected;  // terms × points: Σ weight · x
  std::vector<double> squares;    // points: Σ x²
  std::vector<double> count;      // points: how many values were there
  std::vector<double> gram;       // of all steps
  std::vector<double> missing;    // gram × points, of the steps where a point had no value; empty while none had

  void Merge(const Sums& other) {
    const auto add = [](std::vector<double>& into, const std::vector<double>& from) {
      if (into.empty()) into.assign(from.size(), 0);
      for (size_t i = 0; i < from.size(); ++i) into[i] += from[i];
    };
    add(projected, other.projected);
    add(squares, other.squares);
    add(count, other.count);
    add(gram, other.gram);
    add(missing, other.missing);
  }
};

// One pass: which steps, with which weights.
struct Pass {
  uint64_t start = 0;
  uint64_t stop = 0;
  size_t terms = 1;
  bool exclusive = false;
  const double* weights = nullptr;  // of step 0 of the output; null: one constant term
};

struct Totals {
  double count = 0;
  double sum = 0;
  double squares = 0;  // about zero, or about the fit
  double raw_squares = 0;
};

class Accumulator {
 public:
  Accumulator(const StatisticsInputs& in, size_t array, const Pass& pass, const Climatology* subtract);
  Result<void> Run(const CallContext& context);
  // After Run.
  Totals Plain() const;
  Totals Fit(Climatology& out) const;

 private:
  struct Tile {
    zarr::Box box;  // extent 1 and origin 0 along time
  };
  void MakeTiles();
  Result<void> AddTile(const Tile& tile, uint64_t segment, Sums& sums, const CallContext& context) const;
  void AddBlock(const zarr::Box& region, const std::vector<double>& values, Sums& sums) const;

  const StatisticsInputs& in_;
  const size_t array_;
  const DataArray& planned_;
  const Pass pass_;
  const Gram gram_;
  const Climatology* subtract_;
  std::vector<Tile> tiles_;
  uint64_t segments_ = 1;
  uint64_t sums_bytes_ = 0;
  std::vector<Sums> merged_;  // by tile
};

Accumulator::Accumulator(const StatisticsInputs& in, size_t array, const Pass& pass, const Climatology* subtract)
    : in_(in),
      array_(array),
      planned_(in.plan.arrays[array]),
      pass_(pass),
      gram_{pass.terms, pass.exclusive},
      subtract_(subtract) {
  MakeTiles();
}

void Accumulator::MakeTiles() {
  const Index& shape = planned_.metadata.shape;
  Index at(shape.size(), 0);
  for (bool more = Elements(shape) > 0; more;) {
    Tile tile;
    for (size_t d = 0; d < shape.size(); ++d) {
      const bool time = planned_.time && d == *planned_.time;
      tile.box.origin.push_back(at[d]);
      tile.box.shape.push_back(time ? 1 : std::min(planned_.task_shape[d], shape[d] - at[d]));
    }
    tiles_.push_back(std::move(tile));
    more = false;
    for (size_t d = shape.size(); d-- > 0 && !more;) {
      if (planned_.time && d == *planned_.time) continue;
      at[d] += planned_.task_shape[d];
      more = at[d] < shape[d];
      if (!more) at[d] = 0;
    }
  }
  uint64_t points = Elements(shape);
  if (planned_.time) points /= std::max<uint64_t>(1, shape[*planned_.time]);
  sums_bytes_ = std::max<uint64_t>(1, points * (pass_.terms + 2) * sizeof(double));
  const uint64_t block = planned_.time ? planned_.task_shape[*planned_.time] : 1;
  const uint64_t blocks = (pass_.stop - pass_.start + block - 1) / std::max<uint64_t>(1, block);
  segments_ = std::clamp<uint64_t>(std::min(blocks, kSegmentSumsBytes / sums_bytes_), 1, kSegments);
  sums_bytes_ *= segments_ + 1;
}

void Accumulator::AddBlock(const zarr::Box& region, const std::vector<double>& values, Sums& sums) const {
  const size_t time = planned_.time.value_or(0);
  uint64_t outer = 1;
  uint64_t inner = 1;
  for (size_t d = 0; d < region.shape.size(); ++d) {
    if (planned_.time && d < time) outer *= region.shape[d];
    if (!planned_.time || d > time) inner *= region.shape[d];
  }
  const uint64_t steps = planned_.time ? region.shape[time] : 1;
  const uint64_t points = outer * inner;
  static constexpr double kOne = 1;
  for (uint64_t o = 0; o < outer; ++o) {
    for (uint64_t t = 0; t < steps; ++t) {
      const uint64_t step = planned_.time ? region.origin[time] + t : 0;
      const double* weights = pass_.weights == nullptr ? &kOne : pass_.weights + step * pass_.terms;
      if (o == 0) gram_.Add(weights, 1, sums.gram.data());
      const double* row = values.data() + (o * steps + t) * inner;
      double* squares = sums.squares.data() + o * inner;
      double* count = sums.count.data() + o * inner;
      uint64_t here = 0;
      for (uint64_t i = 0; i < inner; ++i) {
        const bool there = !std::isnan(row[i]);
        squares[i] += there ? row[i] * row[i] : 0;
        count[i] += there ? 1 : 0;
        here += there ? 1 : 0;
      }
      for (size_t k = 0; k < pass_.terms; ++k) {
        if (weights[k] == 0) continue;
        double* projected = sums.projected.data() + k * points + o * inner;
        for (uint64_t i = 0; i < inner; ++i) projected[i] += std::isnan(row[i]) ? 0 : weights[k] * row[i];
      }
      if (here == inner) continue;
      if (sums.missing.empty()) sums.missing.assign(gram_.size() * points, 0);
      for (uint64_t i = 0; i < inner; ++i) {
        if (std::isnan(row[i])) gram_.Add(weights, 1, sums.missing.data() + (o * inner + i) * gram_.size());
      }
    }
  }
}

Result<void> Accumulator::AddTile(const Tile& tile, uint64_t segment, Sums& sums, const CallContext& context) const {
  const uint64_t points = Elements(tile.box.shape);
  sums.projected.assign(pass_.terms * points, 0);
  sums.squares.assign(points, 0);
  sums.count.assign(points, 0);
  sums.gram.assign(gram_.size(), 0);
  SEAMOUNT_TRY_ASSIGN(RegionReader reader, RegionReader::Make(in_.plan, in_.facts, in_.dataset, array_, subtract_));
  const uint64_t block = planned_.time ? std::max<uint64_t>(1, planned_.task_shape[*planned_.time]) : 1;
  const uint64_t blocks = (pass_.stop - pass_.start + block - 1) / block;
  const uint64_t first = pass_.start + blocks * segment / segments_ * block;
  const uint64_t last = std::min(pass_.stop, pass_.start + blocks * (segment + 1) / segments_ * block);
  const uint64_t elements = points * std::min(block, pass_.stop - pass_.start);
  SEAMOUNT_TRY_ASSIGN(
      const exec::ByteLease lease,
      in_.budget.Acquire(
          2 * elements * sizeof(double) + RegionReader::ScratchBytes(in_.plan, in_.facts, array_, elements), context));
  std::vector<double> values;
  for (uint64_t step = first; step < last; step += block) {
    if (context.stop.stop_requested()) return base::Cancelled("taking statistics: stop was requested");
    zarr::Box region = tile.box;
    if (planned_.time) {
      region.origin[*planned_.time] = step;
      region.shape[*planned_.time] = std::min(block, last - step);
    }
    SEAMOUNT_TRY(reader.ReadValues(region, values));
    AddBlock(region, values, sums);
    in_.progress.Add(values.size() * zarr::SizeOf(planned_.metadata.data_type));
  }
  return {};
}

Result<void> Accumulator::Run(const CallContext& context) {
  if (sums_bytes_ > in_.budget.limit() / 2) {
    return base::ResourceExhausted("the statistics of '" + planned_.name + "' need " +
                                   base::FormatBytes(2 * sums_bytes_) + " of memory, --memory allows " +
                                   base::FormatBytes(in_.budget.limit()));
  }
  SEAMOUNT_TRY_ASSIGN(const exec::ByteLease lease, in_.budget.Acquire(sums_bytes_, context));
  std::vector<Sums> parts(tiles_.size() * segments_);
  std::mutex mutex;
  std::optional<Error> failure;
  exec::ParallelFor(in_.pool, parts.size(), [&](size_t i) {
    {
      std::scoped_lock lock(mutex);
      if (failure) return;
    }
    auto added = AddTile(tiles_[i / segments_], i % segments_, parts[i], context);
    if (added) return;
    std::scoped_lock lock(mutex);
    if (!failure) failure = added.error();
  });
  if (failure) return *failure;
  merged_.resize(tiles_.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    merged_[i / segments_].Merge(parts[i]);
    parts[i] = {};
  }
  return {};
}

Totals Accumulator::Plain() const {
  Totals out;
  for (const Sums& sums : merged_) {
    for (size_t i = 0; i < sums.count.size(); ++i) {
      out.count += sums.count[i];
      out.sum += sums.projected[i];
      out.squares += sums.squares[i];
    }
  }
  return out;
}

// Fits every point of every tile; the totals are of the residuals.
Totals Accumulator::Fit(Climatology& out) const {
  const Index& shape = planned_.metadata.shape;
  out.points = Elements(shape) / shape[*planned_.time];
  out.coefficients.assign(pass_.terms * out.points, std::numeric_limits<double>::quiet_NaN());
  Totals totals;
  std::vector<double> a;
  std::vector<double> b(pass_.terms);
  for (size_t t = 0; t < tiles_.size(); ++t) {
    const Sums& sums = merged_[t];
    const uint64_t points = sums.count.size();
    Index at(shape.size(), 0);
    for (uint64_t p = 0; p < points; ++p) {
      a = sums.gram;
      for (size_t g = 0; g < a.size() && !sums.missing.empty(); ++g) a[g] -= sums.missing[p * gram_.size() + g];
      for (size_t k = 0; k < pass_.terms; ++k) b[k] = sums.projected[k * points + p];
      uint64_t point = 0;
      for (size_t d = 0; d < shape.size(); ++d) {
        if (d != *planned_.time) point = point * shape[d] + tiles_[t].box.origin[d] + at[d];
      }
      if (sums.count[p] > 0 && gram_.Solve(a, b)) {
        double explained = 0;
        for (size_t k = 0; k < pass_.terms; ++k) {
          out.coefficients[k * out.points + point] = b[k];
          if (!std::isnan(b[k])) explained += b[k] * sums.projected[k * points + p];
        }
        totals.count += sums.count[p];
        totals.squares += std::max(0.0, sums.squares[p] - explained);
        totals.raw_squares += sums.squares[p];
      }
      for (size_t d = shape.size(); d-- > 0;) {
        if (d == *planned_.time) continue;
        if (++at[d] < tiles_[t].box.shape[d]) break;
        at[d] = 0;
      }
    }
  }
  return totals;
}

Result<Moments> ToMoments(const Totals& totals, const std::string& name, const std::string& over) {
  if (totals.count == 0) {
    return base::InvalidArgument("'" + name + "' has nothing but missing values in the split '" + over + "'");
  }
  Moments out;
  out.mean = totals.sum / totals.count;
  const double variance = totals.squares / totals.count - out.mean * out.mean;
  const double rounding = 1e-12 * std::max(totals.squares, totals.raw_squares) / totals.count;
  if (!(variance > rounding)) {
    return base::InvalidArgument("'" + name + "' does not vary in the split '" + over + "': it cannot be standardized");
  }
  out.std = std::sqrt(variance);
  return out;
}

bool SameSteps(const Plan& plan) {
  return plan.anomaly_over.start == plan.standardize_over.start && plan.anomaly_over.stop == plan.standardize_over.stop;
}

}  // namespace

Result<ArrayStatistics> TakeStatistics(const StatisticsInputs& in, size_t array, const CallContext& context) {
  const Plan& plan = in.plan;
  const DataArray& planned = plan.arrays[array];
  ArrayStatistics out;
  if (planned.anomaly) {
    const Pass pass{plan.anomaly_over.start, plan.anomaly_over.stop, plan.basis->terms, plan.basis->exclusive,
                    plan.basis->weights.data()};
    Accumulator accumulator(in, array, pass, nullptr);
    SEAMOUNT_TRY(accumulator.Run(context));
    out.climatology.emplace();
    const Totals totals = accumulator.Fit(*out.climatology);
    if (planned.standardize && SameSteps(plan)) {
      SEAMOUNT_TRY_ASSIGN(out.moments, ToMoments(totals, planned.name, plan.standardize_over.name));
    }
  }
  if (planned.standardize && !out.moments) {
    // A variable without time has all its values in every split.
    const Pass pass{planned.time ? plan.standardize_over.start : 0, planned.time ? plan.standardize_over.stop : 1, 1,
                    false, nullptr};
    Accumulator accumulator(in, array, pass, out.climatology ? &*out.climatology : nullptr);
    SEAMOUNT_TRY(accumulator.Run(context));
    SEAMOUNT_TRY_ASSIGN(out.moments, ToMoments(accumulator.Plain(), planned.name, plan.standardize_over.name));
  }
  return out;
}

uint64_t StatisticsBytes(const Plan& plan, size_t array) {
  const DataArray& planned = plan.arrays[array];
  const uint64_t all = Elements(planned.metadata.shape) * zarr::SizeOf(planned.metadata.data_type);
  if (!planned.time) return planned.standardize ? all : 0;
  const uint64_t step = all / std::max<uint64_t>(1, planned.metadata.shape[*planned.time]);
  uint64_t bytes = 0;
  if (planned.anomaly) bytes += step * (plan.anomaly_over.stop - plan.anomaly_over.start);
  if (planned.standardize && !(planned.anomaly && SameSteps(plan))) {
    bytes += step * (plan.standardize_over.stop - plan.standardize_over.start);
  }
  return bytes;
}

}  // namespace seamount::prepare
