// From what is asked for to the samples that there are: opens the variables and finds the positions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loader/group.h"
#include "loader/options.h"
#include "loader/sample_source.h"

namespace seamount::loader {

// The dimension that samples run along in the group that is number `group`.
std::string SampleDimOf(const std::vector<Group>& groups, const LoaderOptions& options, size_t group);

// Reads metadata, of many variables at a time; of several groups also their times, which must be the same, as a sample
// is at one position in all of them. InvalidArgument and NotFound say which option or variable is wrong.
Result<std::shared_ptr<const SampleSource>> OpenSource(const std::vector<Group>& groups, const LoaderOptions& options,
                                                       const CallContext& context);

}  // namespace seamount::loader
