#include "prepare/pipeline.h"

#include "prepare/anomaly_step.h"
#include "prepare/derive_step.h"

namespace seamount::prepare {

Result<std::vector<std::unique_ptr<Step>>> MakeSteps(const Plan& plan, size_t array, const Climatology* climatology,
                                                     bool before_anomaly) {
  const DataArray& planned = plan.arrays[array];
  std::vector<std::unique_ptr<Step>> steps;
  if (!planned.expression.empty()) {
    SEAMOUNT_TRY_ASSIGN(auto derive, DeriveStep::Make(planned.expression, planned.units));
    steps.push_back(std::move(derive));
  }
  if (planned.anomaly && !before_anomaly) {
    steps.push_back(std::make_unique<AnomalyStep>(plan, planned, climatology));
  }
  return steps;
}

}  // namespace seamount::prepare
