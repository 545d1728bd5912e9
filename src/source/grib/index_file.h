// The indexes of GRIB files, kept for the next time in the user's cache folder: $XDG_CACHE_HOME or ~/.cache, then
// seamount/grib. Nothing is put beside the files themselves.
#pragma once

#include <functional>

#include "base/result.h"
#include "source/file.h"
#include "source/grib/index.h"

namespace seamount::source::grib {

// The index that is kept of this very file (path, size, time of change, generation), else a new one from `make`, which
// is kept. One that is broken, or of another version, is made anew; where nothing can be kept, nothing is. Others may
// do the same at the same time.
Result<Index> KeptIndex(const File& file, const std::function<Result<Index>()>& make);

}  // namespace seamount::source::grib
