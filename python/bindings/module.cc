// The extension module seamount._core: the loader and Zarr arrays, spoken to by the thin Python beside it.
// Importing it starts no thread and opens no connection, so a process may fork after the import.
#include <nanobind/nanobind.h>

#include "bindings/bindings.h"
#include "bindings/errors.h"
#include "bindings/store.h"
#include "stores/open_store.h"

namespace seamount::python {

std::shared_ptr<Store> OpenStoreOrRaise(const std::string& url, const Connection& connection) {
  const auto open = [&] {
    const nanobind::gil_scoped_release released;
    return stores::OpenStore(url, {.endpoint = connection.endpoint,
                                   .key_file = connection.key,
                                   .anonymous = connection.anonymous,
                                   .cache_dir = connection.cache_dir,
                                   .cache_bytes = connection.cache_bytes});
  };
  return ValueOrRaise(open());
}

}  // namespace seamount::python

NB_MODULE(_core, module) {
  module.doc() = "The C++ engine of seamount; use the package's own names instead.";
  seamount::python::AddArray(module);
  seamount::python::AddLoader(module);
}
