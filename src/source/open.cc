#include "source/open.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "exec/for_each.h"
#include "source/geotiff/geotiff_dataset.h"
#include "source/grib/grib_dataset.h"
#include "source/hdf5/hdf5_dataset.h"
#include "source/local_file.h"
#include "source/netcdf/classic.h"
#include "source/zarr/zarr_dataset.h"
#include "store/file/file_store.h"

namespace seamount::source {

namespace {

// HDF5's signature may stand at 0, 512, 1024, 2048, … (a user block before it).
bool HasHdf5Signature(const store::ByteSource& file) {
  static constexpr std::string_view kSignature = "\211HDF\r\n\032\n";
  std::array<std::byte, 8> head{};
  for (uint64_t at = 0; at + head.size() <= file.size(); at = at == 0 ? 512 : at * 2) {
    if (!file.ReadAt(at, head)) return false;
    if (std::memcmp(head.data(), kSignature.data(), head.size()) == 0) return true;
  }
  return false;
}

Result<std::shared_ptr<const File>> OpenFile(const std::string& source, Remote* remote) {
  if (IsLocal(source)) {
    SEAMOUNT_TRY_ASSIGN(const auto file, LocalFile::Open(LocalPath(source)));
    return std::shared_ptr<const File>(file);
  }
  if (remote == nullptr) return base::InvalidArgument("the source '" + ForPeople(source) + "' is no local file");
  return remote->Open(source);
}

// A Zarr group: a folder, or objects with a common beginning of their names.
Result<std::unique_ptr<Dataset>> OpenGroup(const std::string& source, Remote* remote) {
  SEAMOUNT_TRY_ASSIGN(const auto address, ParseAddress(source));
  if (!address) {
    std::string folder = LocalPath(source);
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    return zarr_group::OpenZarr({.store = store::MakeFileStore(folder), .path = "", .address = folder});
  }
  SEAMOUNT_TRY_ASSIGN(auto store, remote->StoreOf(*address));
  auto group =
      zarr_group::OpenZarr({std::move(store), address->key, ForPeople(source), remote->pool(), remote->stop()});
  if (group || group.error().code() != ErrorCode::kNotFound) return group;
  return base::NotFound("opening " + ForPeople(source) + ": there is neither a file nor a Zarr group");
}

// By its first bytes.
Result<std::unique_ptr<Dataset>> OpenDataset(std::shared_ptr<const File> file) {
  const std::string& path = file->identity().path;
  std::array<std::byte, 4> magic{};
  if (file->size() < magic.size()) {
    return base::DataLoss("reading " + path + ": the file has only " + std::to_string(file->size()) + " bytes");
  }
  if (auto read = file->ReadAt(0, magic); !read) return read.error().Wrap("reading " + path);
  if (std::memcmp(magic.data(), "CDF", 3) == 0) return netcdf::OpenClassic(std::move(file));
  if (std::memcmp(magic.data(), "GRIB", 4) == 0) return grib::OpenGrib(std::move(file));
  if (geotiff::IsTiff(magic)) return geotiff::OpenGeoTiff(std::move(file));
  if (HasHdf5Signature(*file)) return hdf5::OpenHdf5(std::move(file));
  return base::InvalidArgument(
      "reading " + path +
      ": not a format known here (expected NetCDF classic, 64-bit offset or data, NetCDF-4, GRIB, GeoTIFF, or a Zarr "
      "group)");
}

}  // namespace

Result<std::unique_ptr<Dataset>> Open(const std::string& source, Remote* remote) {
  SEAMOUNT_TRY_ASSIGN(auto opened, OpenEach({source}, remote));
  return std::move(opened.front());
}

Result<std::vector<std::unique_ptr<Dataset>>> OpenEach(const std::vector<std::string>& sources, Remote* remote) {
  std::vector<std::shared_ptr<const File>> files(sources.size());  // null: a Zarr group
  const auto open = [&](size_t i) -> Result<void> {
    if (IsLocal(sources[i]) && std::filesystem::is_directory(LocalPath(sources[i]))) return {};
    auto file = OpenFile(sources[i], remote);
    const bool group = !file && !IsLocal(sources[i]) && file.error().code() == ErrorCode::kNotFound;
    if (!file && !group) return file.error();
    if (file) files[i] = *std::move(file);
    return {};
  };
  const bool far = std::any_of(sources.begin(), sources.end(), [](const std::string& s) { return !IsLocal(s); });
  const auto pool = far && remote != nullptr ? remote->pool() : nullptr;
  SEAMOUNT_TRY(exec::ForEach(pool.get(), sources.size(), open));
  std::vector<std::unique_ptr<Dataset>> datasets;
  for (size_t i = 0; i < sources.size(); ++i) {
    SEAMOUNT_TRY_ASSIGN(auto dataset, files[i] ? OpenDataset(std::move(files[i])) : OpenGroup(sources[i], remote));
    datasets.push_back(std::move(dataset));
  }
  return datasets;
}

}  // namespace seamount::source
