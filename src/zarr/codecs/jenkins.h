// Bob Jenkins' hash "lookup3", which HDF5 has as a checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace seamount::zarr {

uint32_t JenkinsLookup3(std::span<const std::byte> data, uint32_t initial);

}  // namespace seamount::zarr
