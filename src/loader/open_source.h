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

struct OpenedSource {
  std::shared_ptr<const SampleSource> source;
  uint64_t unmatched = 0;  // positions that would be samples, if other groups had the times that they need
};

// Reads metadata, of many variables at a time; of several groups also their times. Where these are the same, a sample
// is one position in all of them; else their positions are looked up by time. InvalidArgument and NotFound say which
// option or variable is wrong.
Result<OpenedSource> OpenSource(const std::vector<Group>& groups, const LoaderOptions& options,
                                const CallContext& context);

}  // namespace seamount::loader
