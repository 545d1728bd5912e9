// A look at all values that would be written, without writing any.
#pragma once

#include <limits>
#include <vector>

#include "exec/byte_budget.h"
#include "exec/progress.h"
#include "exec/thread_pool.h"
#include "prepare/missing.h"
#include "prepare/plan.h"
#include "source/dataset.h"

namespace seamount::prepare {

// Of one array, before an anomaly is taken of it.
struct ValueRange {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();
  uint64_t infinite = 0;  // values that are; the range is that of the others
};

struct Survey {
  std::vector<MissingShare> missing;  // as MissingOf
  std::vector<ValueRange> ranges;     // of these
};

// Reads everything once. What a 'check' among the steps refuses is an error here too.
Result<Survey> TakeSurvey(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset,
                          exec::ThreadPool& pool, exec::ByteBudget& budget, exec::Progress& progress,
                          const CallContext& context);

}  // namespace seamount::prepare
