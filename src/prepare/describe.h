// A plan told: to people, and to scripts.
#pragma once

#include <string>

#include "prepare/facts.h"
#include "prepare/plan.h"

namespace seamount::prepare {

// What will be read and written, in which chunks and why, and about how long `threads` threads take.
std::string DescribePlan(const Plan& plan, const SourceFacts& facts, int threads);

std::string PlanJson(const Plan& plan, const SourceFacts& facts);

}  // namespace seamount::prepare
