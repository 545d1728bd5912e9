// The extension module seamount._core: the loader and Zarr arrays, spoken to by the thin Python beside it.
// Importing it starts no thread and opens no connection, so a process may fork after the import.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "base/large_memory.h"
#include "base/text.h"
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
                                   .key_text = auth::Secret(connection.key_text),
                                   .anonymous = connection.anonymous,
                                   .cache_dir = connection.cache_dir,
                                   .cache_bytes = connection.cache_bytes});
  };
  return ValueOrRaise(open());
}

}  // namespace seamount::python

namespace {

seamount::python::StoreHandle Open(const std::string& url, const std::string& endpoint, const std::string& key,
                                   const std::string& key_text, bool anonymous, const std::string& cache_dir,
                                   const std::string& cache_size) {
  using seamount::python::ValueOrRaise;
  return {seamount::python::OpenStoreOrRaise(
      url, {.endpoint = endpoint,
            .key = key,
            .key_text = key_text,
            .anonymous = anonymous,
            .cache_dir = cache_dir,
            .cache_bytes = cache_dir.empty() ? 0 : ValueOrRaise(seamount::base::ParseBytes(cache_size))})};
}

}  // namespace

NB_MODULE(_core, module) {
  namespace nb = nanobind;
  // A guest in somebody's program: what the loader's `memory` promises is kept without a word to malloc.
  constexpr uint64_t kMostIdle = uint64_t{16} << 20;
  seamount::base::MapLargeBuffers(kMostIdle);
  module.doc() = "The C++ engine of seamount; use the package's own names instead.";
  seamount::python::AddObjectStore(module);
  module.def("open_store", &Open, nb::arg("url"), nb::arg("endpoint"), nb::arg("key"), nb::arg("key_text"),
             nb::arg("anonymous"), nb::arg("cache_dir"), nb::arg("cache_size"));
  seamount::python::AddArray(module);
  seamount::python::AddLoader(module);
}
