// What is read from an HDF5 file when it is opened. In the process that has libhdf5 alone.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "source/hdf5/description.h"

namespace seamount::source::hdf5 {

// `file_id` is an open file (an hid_t).
Result<Description> ReadMetadata(int64_t file_id);

}  // namespace seamount::source::hdf5
