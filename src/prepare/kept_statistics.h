// Statistics that an earlier run took and left in its output: moments as attributes, coefficients as the climatology's
// array. A run that goes on reads them back instead of taking them again.
#pragma once

#include <memory>
#include <optional>

#include "prepare/statistics.h"
#include "store/store.h"

namespace seamount::prepare {

// nullopt where something of them is not there. The caller knows from the record that they are of this plan.
Result<std::optional<ArrayStatistics>> ReadStatistics(const Plan& plan, size_t array, std::shared_ptr<Store> store,
                                                      exec::ThreadPool& pool, exec::ByteBudget& budget,
                                                      const CallContext& context);

}  // namespace seamount::prepare
