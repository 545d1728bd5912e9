#include "source/grib/library.h"

#include <string>

#include "base/shared_library.h"

namespace seamount::source::grib {
namespace {

constexpr const char* kHowToGet =
    "reading GRIB needs ecCodes: install it (Debian and Ubuntu: apt install libeccodes0; conda: conda install -c "
    "conda-forge eccodes)";

Result<Library> Load() {
  SEAMOUNT_TRY_ASSIGN(base::SharedLibrary loaded,
                      base::SharedLibrary::Load({"libeccodes.so.0", "libeccodes.so"}, kHowToGet));
  Library library;
  loaded.Find(library.from_message, "codes_handle_new_from_message_copy");
  loaded.Find(library.from_multi_message, "codes_grib_handle_new_from_multi_message");
  loaded.Find(library.multi_support_on, "codes_grib_multi_support_on");
  loaded.Find(library.free_handle, "codes_handle_delete");
  loaded.Find(library.get_long, "codes_get_long");
  loaded.Find(library.get_double, "codes_get_double");
  loaded.Find(library.get_string, "codes_get_string");
  loaded.Find(library.get_size, "codes_get_size");
  loaded.Find(library.get_doubles, "codes_get_double_array");
  loaded.Find(library.set_double, "codes_set_double");
  loaded.Find(library.error_message, "codes_get_error_message");
  if (loaded.missing() != nullptr) {
    return base::InvalidArgument(std::string(kHowToGet) + ": what is installed is no ecCodes known here, it lacks " +
                                 loaded.missing());
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
