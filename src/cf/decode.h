// From numbers as stored to physical values, where missing ones are NaN.
#pragma once

#include <cstddef>
#include <span>

#include "cf/packing.h"
#include "nd/data_type.h"

namespace seamount::cf {

// float32 for float32 and integers of at most 16 bits, float64 for the rest: exact for every unscaled value.
nd::DataType DecodedType(nd::DataType stored);

// One physical value per stored element, in native byte order; sizes must match (stored.size() == into.size() *
// SizeOf(packing.type)). Types that are no real numbers are left alone.
void Decode(std::span<const std::byte> stored, const Packing& packing, std::span<float> into);
void Decode(std::span<const std::byte> stored, const Packing& packing, std::span<double> into);

}  // namespace seamount::cf
