#include "source/geotiff/library.h"

#include <dlfcn.h>

#include <string>
#include <type_traits>

namespace seamount::source::geotiff {
namespace {

constexpr const char* kHowToGet =
    "reading GeoTIFF needs GDAL: install it (Debian 12: apt install libgdal32; Ubuntu 22.04: libgdal30, 24.04: "
    "libgdal34t64; conda: conda install -c conda-forge libgdal-core)";

// What is used of it is the same in all of these.
constexpr int kNewest = 40;
constexpr int kOldest = 28;  // 3.2

void* OpenNewest() {
  for (int version = kNewest; version >= kOldest; --version) {
    void* handle = ::dlopen(("libgdal.so." + std::to_string(version)).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) return handle;
  }
  return ::dlopen("libgdal.so", RTLD_NOW | RTLD_LOCAL);
}

Result<Library> Load() {
  void* handle = OpenNewest();
  if (handle == nullptr) return base::InvalidArgument(std::string(kHowToGet) + " (" + ::dlerror() + ")");
  Library library;
  const char* missing = nullptr;
  const auto find = [&](auto& function, const char* name) {
    void* symbol = ::dlsym(handle, name);
    if (symbol == nullptr) missing = name;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
  find(library.register_geotiff, "GDALRegister_GTiff");
  find(library.set_option, "CPLSetConfigOption");
  find(library.open, "GDALOpenEx");
  find(library.close, "GDALClose");
  find(library.width, "GDALGetRasterXSize");
  find(library.height, "GDALGetRasterYSize");
  find(library.band_count, "GDALGetRasterCount");
  find(library.transform, "GDALGetGeoTransform");
  find(library.projection, "GDALGetProjectionRef");
  find(library.band, "GDALGetRasterBand");
  find(library.type, "GDALGetRasterDataType");
  find(library.no_data, "GDALGetRasterNoDataValue");
  find(library.scale, "GDALGetRasterScale");
  find(library.offset, "GDALGetRasterOffset");
  find(library.units, "GDALGetRasterUnitType");
  find(library.description, "GDALGetDescription");
  find(library.block_size, "GDALGetBlockSize");
  find(library.read, "GDALRasterIO");
  find(library.last_error, "CPLGetLastErrorMsg");
  find(library.reset_error, "CPLErrorReset");
  if (missing != nullptr) {
    return base::InvalidArgument(std::string(kHowToGet) + ": what is installed is no GDAL known here, it lacks " +
                                 missing);
  }
  return library;
}

}  // namespace

Result<const Library*> Gdal() {
  static const Result<Library> library = Load();
  if (!library) return library.error();
  return &*library;
}

}  // namespace seamount::source::geotiff
