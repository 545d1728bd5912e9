// Minimum and maximum, or two quantiles, of the steps of one split.
//
// How it works: values are ordered as float32, by their bits. A first reading counts them by the upper half of these,
// which says in which of 65,536 bins each quantile lies, a second one those of these bins by the lower half. So the
// result is exact to float32 for any amount of data, in a few MiB, whatever the order in which it is read. Minimum and
// maximum need the first reading alone.
#pragma once

#include "prepare/climatology.h"
#include "prepare/moments.h"

namespace seamount::prepare {

// `mean` is the lower of DataArray::quantiles, `std` how far the upper lies above it, interpolated between neighbours
// as NumPy does. Errors as TakeStatistics.
Result<Moments> TakeQuantiles(const StatisticsInputs& in, size_t array, const Climatology* subtract,
                              const CallContext& context);

// How often all values are read for that.
uint64_t QuantileReadings(const DataArray& array);

}  // namespace seamount::prepare
