#include "prepare/statistics.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "exec/for_each.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/kept_sums.h"
#include "prepare/parallel.h"
#include "prepare/quantiles.h"
#include "prepare/slabs.h"
#include "prepare/sums.h"

namespace seamount::prepare {
namespace {

using nd::Elements;
using nd::Index;

constexpr uint64_t kSegments = 8;                  // enough for the cores of a machine that prepares one field
constexpr uint64_t kMostSegments = 64;             // more, where the series is long: what is lost by a kill is one
constexpr uint64_t kReadPerSums = 8;               // so much is read for what a segment's sums take on disk
constexpr uint64_t kSegmentSumsBytes = 128 << 20;  // sums of all segments together, where the field is large
constexpr uint64_t kBlockElements = 1 << 20;  // read at once: long enough reads, and some threads in a small budget

// One pass: which steps, with which weights.
struct Pass {
  std::vector<Stretch> stretches;
  size_t terms = 1;
  bool exclusive = false;
  const double* weights = nullptr;  // of step 0 of the output; null: one constant term
  uint64_t number = 0;              // of the array's passes
  size_t window = 1;                // of terms, around each (Basis)
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
  // Of the values, or, where there is a climatology to be filled in, of their residuals from it.
  Result<Totals> Run(Climatology* fit, const CallContext& context);

 private:
  void MakeTiles();
  Result<void> AddPart(size_t part, Sums& sums, const CallContext& context) const;
  Result<void> ReadPart(size_t part, Sums& sums, const CallContext& context) const;
  Result<bool> FindPart(size_t part, Sums& sums) const;
  struct Keeping {
    std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point written = begun;
  };
  void Keep(size_t first, std::vector<Sums>& round, Keeping& keeping);
  uint64_t PartBytes(size_t part) const;
  uint64_t KeptPart(size_t part) const { return (pass_.number << 40) + part; }
  static KeptSums::Vectors VectorsOf(Sums& sums) {
    return {&sums.projected, &sums.squares, &sums.count, &sums.gram, &sums.missing};
  }
  Result<void> AddBlock(const nd::Box& region, const std::vector<double>& values, Sums& sums) const;
  static void Plain(const Sums& sums, Totals& totals);
  void Fit(const nd::Box& tile, const Sums& sums, Climatology& out, Totals& totals) const;
  std::string Name() const { return "the statistics of '" + planned_.name + "'"; }

  const StatisticsInputs& in_;
  const size_t array_;
  const DataArray& planned_;
  const Pass pass_;
  const Gram gram_;
  const Climatology* subtract_;
  KeptSums kept_;
  std::vector<nd::Box> tiles_;   // extent 1 and origin 0 along time
  std::vector<Stretch> blocks_;  // of steps that are read at once
  uint64_t segments_ = 1;
  uint64_t most_points_ = 0;  // of a tile
  Index largest_tile_;
};

Accumulator::Accumulator(const StatisticsInputs& in, size_t array, const Pass& pass, const Climatology* subtract)
    : in_(in),
      array_(array),
      planned_(in.plan.arrays[array]),
      pass_(pass),
      gram_{pass.terms, pass.exclusive},
      subtract_(subtract) {
  MakeTiles();
  kept_ = KeptSums(in.spill_directory, planned_.statistics_fingerprint, (segments_ << 32) + tiles_.size());
}

void Accumulator::MakeTiles() {
  const SlabGrid grid(in_.plan, array_, kBlockElements);
  nd::Box field{Index(planned_.metadata.shape.size(), 0), planned_.metadata.shape};
  if (planned_.time) field.shape[*planned_.time] = std::min<uint64_t>(1, field.shape[*planned_.time]);
  [[maybe_unused]] const auto listed = grid.ForEach(field, [&](const nd::Box& tile) -> Result<void> {
    if (Elements(tile.shape) > most_points_) largest_tile_ = tile.shape;
    most_points_ = std::max(most_points_, Elements(tile.shape));
    tiles_.push_back(tile);
    return {};
  });
  uint64_t steps = 0;
  for (const Stretch& stretch : pass_.stretches) {
    uint64_t from = stretch.start;
    for (const uint64_t edge : planned_.time ? grid.edges(*planned_.time) : Index()) {
      if (edge <= from || edge >= stretch.stop) continue;
      blocks_.push_back({from, edge});
      from = edge;
    }
    blocks_.push_back({from, stretch.stop});
    steps += stretch.stop - stretch.start;
  }
  const uint64_t sums_bytes = std::max<uint64_t>(1, Elements(field.shape) * (pass_.terms + 2) * sizeof(double));
  const uint64_t blocks = blocks_.size();
  segments_ = std::clamp<uint64_t>(std::min(blocks, kSegmentSumsBytes / sums_bytes), 1, kSegments);
  const uint64_t read_bytes = Elements(field.shape) * steps * sizeof(double);
  const uint64_t worth = std::min({blocks, kMostSegments, read_bytes / (kReadPerSums * sums_bytes)});
  segments_ = std::max(segments_, worth);
}

Result<void> Accumulator::AddBlock(const nd::Box& region, const std::vector<double>& values, Sums& sums) const {
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
      if (sums.missing.empty()) {
        const uint64_t bytes = gram_.size() * points * sizeof(double);
        SEAMOUNT_TRY_ASSIGN(sums.missing_lease, Book(in_.budget, bytes, Name()));
        sums.missing.assign(gram_.size() * points, 0);
      }
      for (uint64_t i = 0; i < inner; ++i) {
        if (std::isnan(row[i])) gram_.Add(weights, 1, sums.missing.data() + (o * inner + i) * gram_.size());
      }
    }
  }
  return {};
}

Result<void> Accumulator::AddPart(size_t part, Sums& sums, const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(const bool found, FindPart(part, sums));
  if (!found) return ReadPart(part, sums, context);
  sums.kept = true;
  in_.progress.Add(PartBytes(part));
  return {};
}

// What a round has taken, for a run that goes on after this one was killed.
void Accumulator::Keep(size_t first, std::vector<Sums>& round, Keeping& keeping) {
  const auto now = std::chrono::steady_clock::now();
  for (size_t i = 0; i < round.size(); ++i) {
    // A short run keeps nothing; what it gathers costs little.
    const bool large = KeptSums::BytesOf(VectorsOf(round[i])) > KeptSums::kGatheredBytes;
    if (round[i].kept || (large && now - keeping.begun < in_.keep_after)) continue;
    kept_.Add(KeptPart(first + i), VectorsOf(round[i]));
  }
  if (now - keeping.written < in_.keep_after && kept_.gathered_bytes() <= KeptSums::kGatheredBytes) return;
  kept_.Write();
  keeping.written = now;
}

// What reading the part counts for in the progress.
uint64_t Accumulator::PartBytes(size_t part) const {
  const uint64_t blocks = blocks_.size();
  const uint64_t segment = part % segments_;
  uint64_t steps = 0;
  for (uint64_t b = blocks * segment / segments_; b < blocks * (segment + 1) / segments_; ++b) {
    steps += blocks_[b].stop - blocks_[b].start;
  }
  const uint64_t points = Elements(tiles_[part / segments_].shape);
  return points * (planned_.time ? steps : 1) * nd::SizeOf(planned_.metadata.data_type);
}

// Whether a run before has taken the part and left its sums.
Result<bool> Accumulator::FindPart(size_t part, Sums& sums) const {
  const uint64_t points = Elements(tiles_[part / segments_].shape);
  Sums found;
  if (!kept_.Read(KeptPart(part), VectorsOf(found))) return false;
  const bool fits = found.projected.size() == pass_.terms * points && found.squares.size() == points &&
                    found.count.size() == points && found.gram.size() == gram_.size() &&
                    (found.missing.empty() || found.missing.size() == gram_.size() * points);
  if (!fits) return false;
  if (!found.missing.empty()) {
    SEAMOUNT_TRY_ASSIGN(found.missing_lease, Book(in_.budget, found.missing.size() * sizeof(double), Name()));
  }
  sums = std::move(found);
  return true;
}

// Part i is segment i % segments of tile i / segments.
Result<void> Accumulator::ReadPart(size_t part, Sums& sums, const CallContext& context) const {
  const nd::Box& tile = tiles_[part / segments_];
  const uint64_t segment = part % segments_;
  const uint64_t points = Elements(tile.shape);
  sums.projected.assign(pass_.terms * points, 0);
  sums.squares.assign(points, 0);
  sums.count.assign(points, 0);
  sums.gram.assign(gram_.size(), 0);
  SEAMOUNT_TRY_ASSIGN(RegionReader reader, RegionReader::Make(in_.plan, in_.facts, in_.dataset, array_, subtract_));
  const uint64_t blocks = blocks_.size();
  std::vector<double> values;
  for (uint64_t b = blocks * segment / segments_; b < blocks * (segment + 1) / segments_; ++b) {
    if (context.stop.stop_requested()) return base::Cancelled("taking statistics: stop was requested");
    nd::Box region = tile;
    if (planned_.time) {
      region.origin[*planned_.time] = blocks_[b].start;
      region.shape[*planned_.time] = blocks_[b].stop - blocks_[b].start;
    }
    SEAMOUNT_TRY(reader.ReadValues(region, values));
    SEAMOUNT_TRY(AddBlock(region, values, sums));
    in_.progress.Add(values.size() * nd::SizeOf(planned_.metadata.data_type));
  }
  return {};
}

// The parts go in rounds, one part for each worker; then they are added up in their order. A tile that is complete is
// reduced to what is asked for at once, so that sums of a few tiles are held, not of all.
Result<Totals> Accumulator::Run(Climatology* fit, const CallContext& context) {
  uint64_t longest = 0;
  for (const Stretch& block : blocks_) longest = std::max(longest, block.stop - block.start);
  const uint64_t elements = most_points_ * (planned_.time ? longest : 1);
  const uint64_t sums_bytes = most_points_ * (pass_.terms + 2) * sizeof(double);
  SEAMOUNT_TRY_ASSIGN(const exec::ByteLease merged_lease, Book(in_.budget, sums_bytes, Name()));
  if (fit != nullptr) {
    fit->points = Elements(planned_.metadata.shape) / planned_.metadata.shape[*planned_.time];
    SEAMOUNT_TRY_ASSIGN(fit->lease, Book(in_.budget, pass_.terms * fit->points * sizeof(double), Name()));
    fit->coefficients.assign(pass_.terms * fit->points, std::numeric_limits<double>::quiet_NaN());
  }
  const size_t parts = tiles_.size() * segments_;
  Index block = largest_tile_;
  if (planned_.time && !block.empty()) block[*planned_.time] = longest;
  const uint64_t reading = elements == 0 ? 0 : RegionReader::ReadValuesBytes(in_.plan, in_.facts, array_, block);
  const uint64_t bytes = sums_bytes + elements * sizeof(double) + reading;
  SEAMOUNT_TRY_ASSIGN(const Crew crew, Hire(in_.pool, in_.budget, parts, bytes, Name()));
  Totals totals;
  Sums merged;
  Keeping keeping;
  for (size_t first = 0; first < parts; first += crew.workers) {
    std::vector<Sums> round(std::min(crew.workers, parts - first));
    const auto taken = exec::ForEachItem(
        in_.pool, crew.workers, round.size(), context,
        [&](size_t i, size_t, const CallContext& inner) { return AddPart(first + i, round[i], inner); });
    if (!taken) {
      if (std::chrono::steady_clock::now() - keeping.begun >= in_.keep_after) kept_.Write();
      return taken.error();
    }
    Keep(first, round, keeping);
    for (size_t i = 0; i < round.size(); ++i) {
      merged.Merge(std::move(round[i]));
      if ((first + i + 1) % segments_ != 0) continue;
      if (fit == nullptr) Plain(merged, totals);
      if (fit != nullptr) Fit(tiles_[(first + i) / segments_], merged, *fit, totals);
      merged = Sums();
    }
  }
  if (std::chrono::steady_clock::now() - keeping.begun >= in_.keep_after) kept_.Write();
  return totals;
}

void Accumulator::Plain(const Sums& sums, Totals& totals) {
  for (size_t i = 0; i < sums.count.size(); ++i) {
    totals.count += sums.count[i];
    totals.sum += sums.projected[i];
    totals.squares += sums.squares[i];
  }
}

// Of each term the sum over the window around it, as they lie in a circle.
std::vector<double> Around(const std::vector<double>& terms, size_t window) {
  std::vector<double> out(terms.size(), 0);
  const size_t before = terms.size() - window / 2;
  for (size_t k = 0; k < terms.size(); ++k) {
    for (size_t i = 0; i < window; ++i) out[k] += terms[(k + before + i) % terms.size()];
  }
  return out;
}

// Fits every point of a tile; the totals are of the residuals.
void Accumulator::Fit(const nd::Box& tile, const Sums& sums, Climatology& out, Totals& totals) const {
  const Index& shape = planned_.metadata.shape;
  const bool narrow = planned_.metadata.data_type != nd::DataType::kFloat64;
  const uint64_t points = sums.count.size();
  std::vector<double> a;
  std::vector<double> b(pass_.terms);
  Index at(shape.size(), 0);
  for (uint64_t p = 0; p < points; ++p) {
    a = sums.gram;
    for (size_t g = 0; g < a.size() && !sums.missing.empty(); ++g) a[g] -= sums.missing[p * gram_.size() + g];
    for (size_t k = 0; k < pass_.terms; ++k) b[k] = sums.projected[k * points + p];
    const std::vector<double> counts = pass_.window > 1 ? a : std::vector<double>();
    if (pass_.window > 1) {
      a = Around(a, pass_.window);
      b = Around(b, pass_.window);
    }
    uint64_t point = 0;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (d != *planned_.time) point = point * shape[d] + tile.origin[d] + at[d];
    }
    if (sums.count[p] > 0 && gram_.Solve(a, b)) {
      double explained = 0;
      for (size_t k = 0; k < pass_.terms; ++k) {
        // As it will be stored, so that adding the stored one to the anomaly gives the value back.
        out.coefficients[k * out.points + point] = narrow ? static_cast<double>(static_cast<float>(b[k])) : b[k];
        if (std::isnan(b[k])) continue;
        const double sum = sums.projected[k * points + p];
        explained += b[k] * sum;
        if (pass_.window == 1) continue;
        // The mean over a window is not that of its middle: what is left has a mean of its own.
        explained += b[k] * (sum - b[k] * counts[k]);
        totals.sum += sum - b[k] * counts[k];
      }
      totals.count += sums.count[p];
      totals.squares += std::max(0.0, sums.squares[p] - explained);
      totals.raw_squares += sums.squares[p];
    }
    for (size_t d = shape.size(); d-- > 0;) {
      if (d == *planned_.time) continue;
      if (++at[d] < tile.shape[d]) break;
      at[d] = 0;
    }
  }
}

Result<Moments> ToMoments(const Totals& totals, const std::string& name, const std::string& over) {
  if (totals.count == 0) return NoMoments(name, "has nothing but missing values", over);
  Moments out;
  if (!std::isfinite(totals.sum) || !std::isfinite(totals.squares)) {
    return NoMoments(name, "holds infinite values", over);
  }
  out.mean = totals.sum / totals.count;
  const double variance = totals.squares / totals.count - out.mean * out.mean;
  const double rounding = 1e-12 * std::max(totals.squares, totals.raw_squares) / totals.count;
  if (!(variance > rounding)) return NoMoments(name, "does not vary", over);
  out.std = std::sqrt(variance);
  return out;
}

bool SameSteps(const Plan& plan) { return plan.anomaly_over.stretches() == plan.standardize_over.stretches(); }

}  // namespace

Result<ArrayStatistics> TakeStatistics(const StatisticsInputs& in, size_t array, const CallContext& context) {
  const Plan& plan = in.plan;
  const DataArray& planned = plan.arrays[array];
  ArrayStatistics out;
  if (planned.anomaly) {
    const Pass pass{plan.anomaly_over.stretches(),
                    plan.basis->terms,
                    plan.basis->exclusive,
                    plan.basis->weights.data(),
                    0,
                    plan.basis->window};
    Accumulator accumulator(in, array, pass, nullptr);
    out.climatology.emplace();
    SEAMOUNT_TRY_ASSIGN(const Totals totals, accumulator.Run(&*out.climatology, context));
    if (planned.standardize && !planned.quantiles && SameSteps(plan)) {
      SEAMOUNT_TRY_ASSIGN(out.moments, ToMoments(totals, planned.name, plan.standardize_over.name));
    }
  }
  if (planned.standardize && planned.quantiles) {
    const Climatology* subtract = out.climatology ? &*out.climatology : nullptr;
    SEAMOUNT_TRY_ASSIGN(out.moments, TakeQuantiles(in, array, subtract, context));
  }
  if (planned.standardize && !out.moments) {
    // A variable without time has all its values in every split.
    const Pass pass{planned.time ? plan.standardize_over.stretches() : std::vector<Stretch>{{0, 1}}, 1, false, nullptr,
                    1};
    Accumulator accumulator(in, array, pass, out.climatology ? &*out.climatology : nullptr);
    SEAMOUNT_TRY_ASSIGN(const Totals totals, accumulator.Run(nullptr, context));
    SEAMOUNT_TRY_ASSIGN(out.moments, ToMoments(totals, planned.name, plan.standardize_over.name));
  }
  return out;
}

void ForgetSums(const StatisticsInputs& in, size_t array) {
  KeptSums(in.spill_directory, in.plan.arrays[array].statistics_fingerprint, 0).Remove();
}

uint64_t StatisticsBytes(const Plan& plan, size_t array) {
  const DataArray& planned = plan.arrays[array];
  const uint64_t all = Elements(planned.metadata.shape) * nd::SizeOf(planned.metadata.data_type);
  const uint64_t readings = QuantileReadings(planned);
  if (!planned.time) return planned.standardize ? all * readings : 0;
  const uint64_t step = all / std::max<uint64_t>(1, planned.metadata.shape[*planned.time]);
  uint64_t bytes = 0;
  if (planned.anomaly) bytes += step * plan.anomaly_over.steps();
  if (planned.standardize && !(planned.anomaly && !planned.quantiles && SameSteps(plan))) {
    bytes += step * plan.standardize_over.steps() * readings;
  }
  return bytes;
}

}  // namespace seamount::prepare
