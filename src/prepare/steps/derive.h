// A new variable, as an expression over others, which may lack some of its dimensions: cos(rad(lat)) * u.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "prepare/expression.h"
#include "prepare/node.h"

namespace seamount::prepare {

// The expression over the inputs, one for each of its names, in their order. Their dimensions together are its own;
// those of one name must have the same places.
Result<NodePtr> MakeDerived(const std::string& expression, const std::vector<std::string>& names,
                            const std::vector<NodePtr>& inputs);

}  // namespace seamount::prepare
