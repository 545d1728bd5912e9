#include "prepare/anomaly_step.h"

namespace seamount::prepare {

double AnomalyStep::Expected(const double* weights, uint64_t point) const {
  double expected = 0;
  for (size_t k = 0; k < plan_.basis->terms; ++k) {
    // A month without data has no coefficient (NaN), which must not spoil the other months.
    if (weights[k] != 0) expected += weights[k] * climatology_->coefficients[k * climatology_->points + point];
  }
  return expected;
}

// Row by row: along the last dimension points follow one another, unless it is time.
Result<void> AnomalyStep::Change(const nd::Box& region, std::span<const double> values, std::span<double> into) const {
  const Basis& basis = *plan_.basis;
  const nd::Index& shape = array_.metadata.shape;
  const size_t time = *array_.time;
  const size_t rank = shape.size();
  const bool along_time = time + 1 == rank;
  const uint64_t row = region.shape[rank - 1];
  nd::Index at(rank, 0);  // within the region
  for (uint64_t done = 0; done < into.size(); done += row) {
    uint64_t point = 0;  // of the row's first element
    for (size_t d = 0; d < rank; ++d) {
      if (d != time) point = point * shape[d] + region.origin[d] + at[d];
    }
    const double* weights = basis.weights.data() + (region.origin[time] + at[time]) * basis.terms;
    for (uint64_t i = 0; i < row; ++i) {
      const double expected = along_time ? Expected(weights + i * basis.terms, point) : Expected(weights, point + i);
      into[done + i] = values[done + i] - expected;
    }
    for (size_t d = rank - 1; d-- > 0;) {
      if (++at[d] < region.shape[d]) break;
      at[d] = 0;
    }
  }
  return {};
}

std::string AnomalyStep::Fingerprint(const nd::Box& region) const {
  const TimeAxis& time = *plan_.selection.time;
  std::string text = "anomaly " + array_.climatology_fingerprint + " " + plan_.basis->dimension + " " +
                     std::to_string(plan_.basis->terms) + " " + std::to_string(static_cast<int>(time.calendar)) + ":";
  const uint64_t start = region.origin[*array_.time];
  for (uint64_t t = start; t < start + region.shape[*array_.time]; ++t) text += std::to_string(time.moments[t]) + ",";
  return text + "\n";
}

}  // namespace seamount::prepare
