// Each file of the extension adds its part to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace seamount::python {

void AddArray(nanobind::module_& module);
void AddLoader(nanobind::module_& module);
void AddObjectStore(nanobind::module_& module);

}  // namespace seamount::python
