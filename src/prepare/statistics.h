// Climatology, mean and standard deviation, of the steps of one split alone.
//
// How it works: the field is cut into tiles where the source's chunks end, and the split's steps into a few segments,
// both by the plan alone; a worker takes one tile and segment at a time and adds its blocks up in order of time. The
// segments' sums are then added in their order, so that results do not depend on the number of threads or on the memory
// given. A part that is done is kept on disk, so that a run that is killed loses what the workers are at. A climatology
// is the least-squares fit of the plan's basis at every grid point (for months: the mean of each); missing values are
// left out point by point. The squared deviation from the fit follows from the same sums, so that the standard
// deviation of the anomalies over the same split needs no second pass.
#pragma once

#include <optional>

#include "prepare/moments.h"
#include "prepare/region_reader.h"

namespace seamount::prepare {

struct ArrayStatistics {
  std::optional<Climatology> climatology;
  std::optional<Moments> moments;
};

// What the plan asks for of one array; nothing is read when it asks for nothing. InvalidArgument where there is nothing
// to take a statistic of (only missing values, or no variation).
Result<ArrayStatistics> TakeStatistics(const StatisticsInputs& in, size_t array, const CallContext& context);

// To be called when the array's statistics lie in the output.
void ForgetSums(const StatisticsInputs& in, size_t array);

// Bytes that TakeStatistics will read of the array, decoded, for the progress bar.
uint64_t StatisticsBytes(const Plan& plan, size_t array);

}  // namespace seamount::prepare
