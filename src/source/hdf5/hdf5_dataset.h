// NetCDF-4 files.
//
// How it works: libhdf5 is asked for metadata alone, in a process of its own (worker.h): variables, attributes,
// dimension scales (read as h5netcdf does, by CLASS, NAME and DIMENSION_LIST; libnetcdf is not used), and the address
// and size of chunks. Chunks are then read from the file and decoded by the calling threads. What uses filters or types
// that are not known here is read through libhdf5 where it can, and is refused by name where it cannot.
#pragma once

#include <memory>

#include "source/dataset.h"
#include "source/file.h"

namespace seamount::source::hdf5 {

Result<std::unique_ptr<Dataset>> OpenHdf5(std::shared_ptr<const File> file);

}  // namespace seamount::source::hdf5
