// Which steps an array goes through.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "prepare/climatology.h"
#include "prepare/plan.h"
#include "prepare/step.h"

namespace seamount::prepare {

// The steps of one array, in order. `climatology` is what an anomaly subtracts; null while only fingerprints are asked
// for, or before it is taken, and then `before_anomaly` leaves that step and what comes after out.
Result<std::vector<std::unique_ptr<Step>>> MakeSteps(const Plan& plan, size_t array, const Climatology* climatology,
                                                     bool before_anomaly);

}  // namespace seamount::prepare
