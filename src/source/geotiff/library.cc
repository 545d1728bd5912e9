#include "source/geotiff/library.h"

#include <string>
#include <vector>

#include "base/shared_library.h"

namespace seamount::source::geotiff {
namespace {

constexpr const char* kHowToGet =
    "reading GeoTIFF needs GDAL: install it (Debian 12: apt install libgdal32; Ubuntu 22.04: libgdal30, 24.04: "
    "libgdal34t64; conda: conda install -c conda-forge libgdal-core)";

// What is used of it is the same in all of these.
constexpr int kNewest = 40;
constexpr int kOldest = 28;  // 3.2

std::vector<std::string> NewestFirst() {
  std::vector<std::string> names;
  for (int version = kNewest; version >= kOldest; --version) names.push_back("libgdal.so." + std::to_string(version));
  names.push_back("libgdal.so");
  return names;
}

Result<Library> Load() {
  SEAMOUNT_TRY_ASSIGN(base::SharedLibrary loaded, base::SharedLibrary::Load(NewestFirst(), kHowToGet));
  Library library;
  loaded.Find(library.register_geotiff, "GDALRegister_GTiff");
  loaded.Find(library.set_option, "CPLSetConfigOption");
  loaded.Find(library.open, "GDALOpenEx");
  loaded.Find(library.close, "GDALClose");
  loaded.Find(library.width, "GDALGetRasterXSize");
  loaded.Find(library.height, "GDALGetRasterYSize");
  loaded.Find(library.band_count, "GDALGetRasterCount");
  loaded.Find(library.transform, "GDALGetGeoTransform");
  loaded.Find(library.projection, "GDALGetProjectionRef");
  loaded.Find(library.band, "GDALGetRasterBand");
  loaded.Find(library.type, "GDALGetRasterDataType");
  loaded.Find(library.no_data, "GDALGetRasterNoDataValue");
  loaded.Find(library.scale, "GDALGetRasterScale");
  loaded.Find(library.offset, "GDALGetRasterOffset");
  loaded.Find(library.units, "GDALGetRasterUnitType");
  loaded.Find(library.description, "GDALGetDescription");
  loaded.Find(library.block_size, "GDALGetBlockSize");
  loaded.Find(library.read, "GDALRasterIO");
  loaded.Find(library.last_error, "CPLGetLastErrorMsg");
  loaded.Find(library.reset_error, "CPLErrorReset");
  if (loaded.missing() != nullptr) {
    return base::InvalidArgument(std::string(kHowToGet) + ": what is installed is no GDAL known here, it lacks " +
                                 loaded.missing());
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
