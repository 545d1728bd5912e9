#include "source/open.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "exec/for_each.h"
#include "source/grib/grib_dataset.h"
#include "source/hdf5/hdf5_dataset.h"
#include "source/local_file.h"
#include "source/netcdf/classic.h"

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
  if (HasHdf5Signature(*file)) return hdf5::OpenHdf5(std::move(file));
  return base::InvalidArgument(
      "reading " + path +
      ": not a format known here (expected NetCDF classic, 64-bit offset or data, NetCDF-4, or GRIB)");
}

}  // namespace

Result<std::unique_ptr<Dataset>> Open(const std::string& source, Remote* remote) {
  SEAMOUNT_TRY_ASSIGN(auto file, OpenFile(source, remote));
  return OpenDataset(std::move(file));
}

Result<std::vector<std::unique_ptr<Dataset>>> OpenEach(const std::vector<std::string>& sources, Remote* remote) {
  std::vector<std::shared_ptr<const File>> files(sources.size());
  const auto open = [&](size_t i) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(files[i], OpenFile(sources[i], remote));
    return {};
  };
  const bool far = std::any_of(sources.begin(), sources.end(), [](const std::string& s) { return !IsLocal(s); });
  SEAMOUNT_TRY(exec::ForEach(far && remote != nullptr ? remote->pool().get() : nullptr, sources.size(), open));
  std::vector<std::unique_ptr<Dataset>> datasets;
  for (auto& file : files) {
    SEAMOUNT_TRY_ASSIGN(auto dataset, OpenDataset(std::move(file)));
    datasets.push_back(std::move(dataset));
  }
  return datasets;
}

}  // namespace seamount::source
