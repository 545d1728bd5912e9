#include "source/grib/library.h"

#include <dlfcn.h>

#include <string>
#include <type_traits>

namespace seamount::source::grib {
namespace {

constexpr const char* kHowToGet =
    "reading GRIB needs ecCodes: install it (Debian and Ubuntu: apt install libeccodes0; conda: conda install -c "
    "conda-forge eccodes)";

Result<Library> Load() {
  void* handle = ::dlopen("libeccodes.so.0", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) handle = ::dlopen("libeccodes.so", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return base::InvalidArgument(std::string(kHowToGet) + " (" + ::dlerror() + ")");
  Library library;
  const char* missing = nullptr;
  const auto find = [&](auto& function, const char* name) {
    void* symbol = ::dlsym(handle, name);
    if (symbol == nullptr) missing = name;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
  find(library.from_message, "codes_handle_new_from_message_copy");
  find(library.from_multi_message, "codes_grib_handle_new_from_multi_message");
  find(library.multi_support_on, "codes_grib_multi_support_on");
  find(library.free_handle, "codes_handle_delete");
  find(library.get_long, "codes_get_long");
  find(library.get_double, "codes_get_double");
  find(library.get_string, "codes_get_string");
  find(library.get_size, "codes_get_size");
  find(library.get_doubles, "codes_get_double_array");
  find(library.set_double, "codes_set_double");
  find(library.error_message, "codes_get_error_message");
  if (missing != nullptr) {
    return base::InvalidArgument(std::string(kHowToGet) + ": what is installed is no ecCodes known here, it lacks " +
                                 missing);
  }
  return library;
}

}  // namespace

Result<const Library*> EcCodes() {
  static const Result<Library> library = Load();
  if (!library) return library.error();
  return &*library;
}

}  // namespace seamount::source::grib
