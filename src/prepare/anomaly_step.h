// What a value is above or below the climatology of its place and time of year.
#pragma once

#include <span>
#include <string>

#include "prepare/climatology.h"
#include "prepare/plan.h"
#include "prepare/step.h"

namespace seamount::prepare {

class AnomalyStep final : public PointStep {
 public:
  // All must outlive the step; `climatology` may be null where Change is not called.
  AnomalyStep(const Plan& plan, const DataArray& array, const Climatology* climatology)
      : plan_(plan), array_(array), climatology_(climatology) {}
  Result<void> Change(const nd::Box& region, std::span<const double> values, std::span<double> into) const override;
  // The climatology's, and the times of the region's steps.
  std::string Fingerprint(const nd::Box& region) const override;

 private:
  double Expected(const double* weights, uint64_t point) const;

  const Plan& plan_;
  const DataArray& array_;
  const Climatology* climatology_;
};

}  // namespace seamount::prepare
