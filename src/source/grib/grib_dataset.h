// GRIB, editions 1 and 2: fields as variables (cube.h), each unpacked when it is read (worker.h).
#pragma once

#include <memory>

#include "source/dataset.h"
#include "source/file.h"

namespace seamount::source::grib {

// Makes the index of the file's fields, or takes the one that is kept of it. InvalidArgument where the machine has no
// ecCodes, with how to get it.
Result<std::unique_ptr<Dataset>> OpenGrib(std::shared_ptr<const File> file);

}  // namespace seamount::source::grib
