#include "source/geotiff/answers.h"

#include <array>
#include <string>
#include <utility>

#include "source/child/wire.h"
#include "source/geotiff/description.h"
#include "source/geotiff/library.h"

namespace seamount::source::geotiff {
namespace {

constexpr uint64_t kMaxAnswerBytes = uint64_t{1} << 30;
constexpr int kMaxBands = 65'535;

constexpr std::array<std::pair<int, nd::DataType>, 10> kTypes = {{{1, nd::DataType::kUInt8},
                                                                  {2, nd::DataType::kUInt16},
                                                                  {3, nd::DataType::kInt16},
                                                                  {4, nd::DataType::kUInt32},
                                                                  {5, nd::DataType::kInt32},
                                                                  {6, nd::DataType::kFloat32},
                                                                  {7, nd::DataType::kFloat64},
                                                                  {12, nd::DataType::kUInt64},
                                                                  {13, nd::DataType::kInt64},
                                                                  {14, nd::DataType::kInt8}}};

// The file of the last request stays open: a description is followed by reads.
struct OpenFile {
  std::string path;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  DatasetHandle handle = nullptr;
};

Error Failed(const Library& gdal) {
  const char* why = gdal.last_error();
  return base::DataLoss(why != nullptr && *why != 0 ? why : "GDAL does not take it");
}

Result<DatasetHandle> Opened(const Library& gdal, WireReader& in) {
  static OpenFile last;
  OpenFile wanted{in.Text(), in.Get<uint64_t>(), in.Get<int64_t>()};
  if (!in.good()) return base::Internal("a malformed request");
  const bool same = last.handle != nullptr && last.path == wanted.path && last.size_bytes == wanted.size_bytes &&
                    last.modified_ns == wanted.modified_ns;
  if (same) return last.handle;
  if (last.handle != nullptr) gdal.close(std::exchange(last, OpenFile()).handle);
  gdal.register_geotiff();
  // This file, and nothing beside it.
  gdal.set_option("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR");
  gdal.set_option("GDAL_PAM_ENABLED", "NO");
  gdal.set_option("GDAL_CACHEMAX", "64");
  constexpr unsigned kReadRaster = 0x02 | 0x40;  // GDAL_OF_RASTER | GDAL_OF_VERBOSE_ERROR
  const std::array<const char*, 2> drivers = {"GTiff", nullptr};
  wanted.handle = gdal.open(wanted.path.c_str(), kReadRaster, drivers.data(), nullptr, nullptr);
  if (wanted.handle == nullptr) return Failed(gdal);
  last = std::move(wanted);
  return last.handle;
}

Band BandOf(const Library& gdal, BandHandle handle) {
  const auto text = [](const char* value) { return std::string(value != nullptr ? value : ""); };
  Band band{.type = TypeOf(gdal.type(handle)),
            .description = text(gdal.description(handle)),
            .units = text(gdal.units(handle))};
  int there = 0;
  const double no_data = gdal.no_data(handle, &there);
  if (there != 0) band.no_data = no_data;
  const double scale = gdal.scale(handle, &there);
  if (there != 0) band.scale = scale;
  const double offset = gdal.offset(handle, &there);
  if (there != 0) band.offset = offset;
  return band;
}

Result<std::vector<std::byte>> Describe(const Library& gdal, DatasetHandle file) {
  const int count = gdal.band_count(file);
  if (count <= 0 || count > kMaxBands) return base::DataLoss("it has " + std::to_string(count) + " bands");
  Description d;
  d.width = static_cast<uint64_t>(gdal.width(file));
  d.height = static_cast<uint64_t>(gdal.height(file));
  std::array<double, 6> transform{};
  if (gdal.transform(file, transform.data()) == 0) d.transform = transform;
  if (const char* wkt = gdal.projection(file)) d.crs_wkt = wkt;
  for (int number = 1; number <= count; ++number) d.bands.push_back(BandOf(gdal, gdal.band(file, number)));
  int block_width = 0;
  int block_height = 0;
  gdal.block_size(gdal.band(file, 1), &block_width, &block_height);
  d.block_width = static_cast<uint64_t>(block_width);
  d.block_height = static_cast<uint64_t>(block_height);
  return Serialize(d);
}

Result<std::vector<std::byte>> Read(const Library& gdal, DatasetHandle file, WireReader& in) {
  const auto band = in.Get<uint32_t>();
  const auto type = in.GetEnum(nd::DataType::kOther);
  std::array<uint64_t, 4> window{};  // column, row, width, height
  for (uint64_t& number : window) number = in.Get<uint64_t>();
  const auto [column, row, width, height] = window;
  const size_t element = nd::SizeOf(type);
  const bool possible = in.whole() && band < static_cast<uint32_t>(gdal.band_count(file)) && GdalType(type) != 0 &&
                        column < INT32_MAX && row < INT32_MAX && width < INT32_MAX && height < INT32_MAX;
  if (!possible) return base::Internal("a malformed request");
  if (width * height > kMaxAnswerBytes / element) return base::InvalidArgument("a window is larger than 1 GiB");
  std::vector<std::byte> into(width * height * element);
  const int failed = gdal.read(gdal.band(file, static_cast<int>(band) + 1), 0, static_cast<int>(column),
                               static_cast<int>(row), static_cast<int>(width), static_cast<int>(height), into.data(),
                               static_cast<int>(width), static_cast<int>(height), GdalType(type), 0, 0);
  if (failed != 0) return Failed(gdal);
  return into;
}

}  // namespace

int GdalType(nd::DataType type) {
  for (const auto& [number, known] : kTypes) {
    if (known == type) return number;
  }
  return 0;
}

nd::DataType TypeOf(int gdal_type) {
  for (const auto& [number, known] : kTypes) {
    if (number == gdal_type) return known;
  }
  return nd::DataType::kOther;
}

Result<std::vector<std::byte>> Answer(std::span<const std::byte> request, const Fetch& /*fetch*/) {
  SEAMOUNT_TRY_ASSIGN(const Library* gdal, Gdal());
  gdal->reset_error();
  WireReader in(request);
  const auto kind = in.GetEnum(RequestKind::kRead);
  SEAMOUNT_TRY_ASSIGN(DatasetHandle file, Opened(*gdal, in));
  if (kind == RequestKind::kRead) return Read(*gdal, file, in);
  if (!in.whole()) return base::Internal("a malformed request");
  return Describe(*gdal, file);
}

}  // namespace seamount::source::geotiff
