#include "source/open.h"

#include <array>
#include <cstring>

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

}  // namespace

Result<std::unique_ptr<Dataset>> Open(const std::string& path) {
  SEAMOUNT_TRY_ASSIGN(const auto source, LocalFile::Open(path));
  std::array<std::byte, 4> magic{};
  if (source->size() < magic.size()) {
    return base::DataLoss("reading " + path + ": the file has only " + std::to_string(source->size()) + " bytes");
  }
  if (auto read = source->ReadAt(0, magic); !read) return read.error().Wrap("reading " + path);
  if (std::memcmp(magic.data(), "CDF", 3) == 0) return netcdf::OpenClassic(source, source->identity());
  if (HasHdf5Signature(*source)) return hdf5::OpenHdf5(source);
  return base::InvalidArgument(
      "reading " + path + ": not a format known here (expected NetCDF classic, 64-bit offset or data, or NetCDF-4)");
}

}  // namespace seamount::source
