// HDF5's filter szip, by libaec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace seamount::source::hdf5 {

// parameters: as HDF5 keeps them. Fills the beginning of `into`; how much that is. DataLoss where bytes or parameters
// cannot be.
Result<size_t> UndoSzip(std::span<const uint32_t> parameters, std::span<const std::byte> from,
                        std::span<std::byte> into);

}  // namespace seamount::source::hdf5
