// NetCDF-4 files, through HDF5 for metadata only.
//
// How it works: libhdf5 is not thread-safe as distributed, so every call into it is made under one process-wide lock,
// and it is asked for metadata alone: variables, attributes, dimension scales (read as h5netcdf does, by CLASS, NAME
// and DIMENSION_LIST; libnetcdf is not used), and the address and size of every chunk. Chunks are then read with pread
// and decoded by the calling threads, without the lock. What uses filters or types that are not known here is read
// through libhdf5 under the lock where it can, and is refused by name where it cannot.
#pragma once

#include <memory>

#include "source/dataset.h"
#include "source/local_file.h"

namespace seamount::source::hdf5 {

Result<std::unique_ptr<Dataset>> OpenHdf5(std::shared_ptr<const LocalFile> file);

}  // namespace seamount::source::hdf5
