// What is missing where, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "prepare/missing.h"

namespace seamount::prepare {

// One line for each variable that lacks values: "'t': 12.5 % of the values are missing; 1 step holds nothing else, …".
std::vector<std::string> MissingNotes(const Plan& plan, const std::vector<MissingShare>& shares);

// {"t": {"values": …, "missing": …, "empty_steps": …, …}}: what `--json` prints. `all`: of variables without gaps too.
std::string MissingJson(const Plan& plan, const std::vector<MissingShare>& shares, bool all);

// The group's attributes, with that of variables which lack values as seamount.missing.
std::string WithMissing(const std::string& attributes, const Plan& plan, const std::vector<MissingShare>& shares);

}  // namespace seamount::prepare
