// Half-precision numbers as their bits.
#pragma once

#include <cstdint>

namespace seamount::zarr {

// Rounds to nearest even; too large becomes infinity.
uint16_t HalfFromDouble(double value);
double DoubleFromHalf(uint16_t bits);

}  // namespace seamount::zarr
