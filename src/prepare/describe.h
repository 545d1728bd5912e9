// A plan told: to people, and to scripts.
#pragma once

#include <string>

#include "prepare/changes.h"
#include "prepare/facts.h"
#include "prepare/plan.h"

namespace seamount::prepare {

// What will be read and written, in which chunks and why, and about how long `threads` threads take.
std::string DescribePlan(const Plan& plan, const SourceFacts& facts, int threads);

// `changes`: of what lies where it would be written.
std::string PlanJson(const Plan& plan, const SourceFacts& facts, const Changes& changes);
// The same numbers, for scripts.
std::string ChangesJson(const Changes& changes);

}  // namespace seamount::prepare
