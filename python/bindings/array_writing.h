// What array_writing.cc adds to the classes of array.cc.
#pragma once

#include <nanobind/nanobind.h>

#include "loader/group.h"
#include "zarr/array.h"

namespace seamount::python {

void AddWriting(nanobind::class_<zarr::Array>& array, nanobind::class_<loader::Group>& group);

}  // namespace seamount::python
