// HDF5's filter scale-offset: numbers less their least, in as few bits as that takes; floats times a power of ten
// before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace seamount::source::hdf5 {

// Before the packed numbers: how many bits each has, and the least of them.
inline constexpr size_t kScaleOffsetHeader = 21;

// Whether these parameters, as HDF5 keeps them, are of a kind that is undone here.
bool CanUndoScaleOffset(std::span<const uint32_t> parameters);
// Fills `into`, in the byte order of the data set. DataLoss where the bytes or the parameters cannot be.
Result<void> UndoScaleOffset(std::span<const uint32_t> parameters, std::span<const std::byte> from,
                             std::span<std::byte> into);

}  // namespace seamount::source::hdf5
