// From source bytes to the elements of an output region.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "prepare/expression.h"
#include "prepare/plan.h"
#include "source/dataset.h"

namespace seamount::prepare {

// Coefficients of one data array's climatology: terms × points, points being the other output dimensions in C order.
struct Climatology {
  std::vector<double> coefficients;
  uint64_t points = 0;
};

// Reads regions of one array of the plan. One per thread and array: it keeps its buffers and its parsed expression.
class RegionReader {
 public:
  // `climatology` may be null, and then no anomaly is taken. All must outlive the reader.
  static Result<RegionReader> Make(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset,
                                   size_t array, const Climatology* climatology);

  // The region's elements in the array's type, dense, C order. into.size() must match.
  Result<void> Read(const zarr::Box& region, std::span<std::byte> into);
  // Physical values in float64, less the climatology where there is one: what statistics are taken of.
  Result<void> ReadValues(const zarr::Box& region, std::vector<double>& into);

  // What Read needs beyond `into`, for the memory ledger.
  static uint64_t ScratchBytes(const Plan& plan, const SourceFacts& facts, size_t array, uint64_t elements);

 private:
  RegionReader(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset, size_t array)
      : plan_(&plan), facts_(&facts), dataset_(&dataset), array_(array) {}
  Result<void> ReadStored(size_t variable, const zarr::Box& region, std::span<std::byte> into);
  void Subtract(const zarr::Box& region, std::span<double> values) const;

  const Plan* plan_;
  const SourceFacts* facts_;
  const source::Dataset* dataset_;
  size_t array_;
  const Climatology* climatology_ = nullptr;
  std::vector<source::Packing> packing_;  // of each input
  std::unique_ptr<Expression> expression_;
  std::vector<std::byte> stored_;
  std::vector<std::byte> piece_;
  std::vector<double> values_;
  std::vector<std::vector<double>> inputs_;
};

}  // namespace seamount::prepare
