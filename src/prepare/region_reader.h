// From source bytes to the elements of an output region.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cf/packing.h"
#include "nd/box.h"
#include "prepare/anomaly_step.h"
#include "prepare/climatology.h"
#include "prepare/plan.h"
#include "prepare/slabs.h"
#include "source/dataset.h"

namespace seamount::prepare {

// Reads regions of one array of the plan. One per thread and array: it keeps its buffers.
class RegionReader {
 public:
  // `climatology` may be null, and then no anomaly is taken. All must outlive the reader.
  static Result<RegionReader> Make(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset,
                                   size_t array, const Climatology* climatology);

  // The region's elements in the array's type, dense, C order. into.size() must match. What has to be computed is
  // computed piece by piece, cut where the source's chunks end, so that it takes little memory beside `into`.
  Result<void> Read(const nd::Box& region, std::span<std::byte> into);
  // Physical values in float64, less the climatology where there is one: what statistics are taken of. All at once.
  Result<void> ReadValues(const nd::Box& region, std::vector<double>& into);

  // What Read, or ReadValues of a box of such a shape, needs beyond `into`, for the memory ledger.
  static uint64_t ReadBytes(const Plan& plan, const SourceFacts& facts, size_t array);
  static uint64_t ReadValuesBytes(const Plan& plan, const SourceFacts& facts, size_t array, const nd::Index& shape);

 private:
  RegionReader(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset, size_t array);
  Result<void> ReadPiece(const nd::Box& piece, std::span<std::byte> into);
  Result<void> ReadStored(const nd::Box& region, std::span<std::byte> into);

  const Plan* plan_;
  const SourceFacts* facts_;
  const source::Dataset* dataset_;
  size_t array_;
  SlabGrid pieces_;
  cf::Packing packing_;
  std::unique_ptr<AnomalyStep> anomaly_;  // null: none is taken
  std::vector<std::byte> stored_;
  std::vector<std::byte> box_;
  std::vector<std::byte> elements_;
  std::vector<double> values_;
};

}  // namespace seamount::prepare
