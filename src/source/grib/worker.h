// ecCodes, in processes of their own (child.h): it names fields, tells their grids, and unpacks values.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "source/file.h"
#include "source/grib/index.h"

namespace seamount::source::grib {

// One pass over the file's headers; of each grid, one message is read whole. InvalidArgument where the machine has no
// ecCodes. Thread-safe.
Result<Index> MakeIndex(const File& file);

// The field's values as stored there, NaN where there is none. `into` is as large as the grid. Thread-safe.
Result<void> Unpack(const File& file, const Field& field, std::span<float> into);

}  // namespace seamount::source::grib
