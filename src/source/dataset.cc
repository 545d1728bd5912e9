#include "source/dataset.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "source/copy_box.h"
#include "source/hdf5/hdf5_dataset.h"
#include "source/local_file.h"
#include "source/netcdf/classic.h"

namespace seamount::source {

size_t SizeOf(DataType type) {
  switch (type) {
    case DataType::kInt8:
    case DataType::kUInt8:
    case DataType::kChar: return 1;
    case DataType::kInt16:
    case DataType::kUInt16: return 2;
    case DataType::kInt32:
    case DataType::kUInt32:
    case DataType::kFloat32: return 4;
    case DataType::kInt64:
    case DataType::kUInt64:
    case DataType::kFloat64: return 8;
    case DataType::kOther: return 0;
  }
  return 0;
}

std::string_view NameOf(DataType type) {
  switch (type) {
    case DataType::kInt8: return "int8";
    case DataType::kUInt8: return "uint8";
    case DataType::kInt16: return "int16";
    case DataType::kUInt16: return "uint16";
    case DataType::kInt32: return "int32";
    case DataType::kUInt32: return "uint32";
    case DataType::kInt64: return "int64";
    case DataType::kUInt64: return "uint64";
    case DataType::kFloat32: return "float32";
    case DataType::kFloat64: return "float64";
    case DataType::kChar: return "char";
    case DataType::kOther: return "other";
  }
  return "other";
}

const Attribute* Variable::FindAttribute(std::string_view attribute) const {
  for (const Attribute& candidate : attributes) {
    if (candidate.name == attribute) return &candidate;
  }
  return nullptr;
}

std::optional<std::string> Variable::Text(std::string_view attribute) const {
  const Attribute* found = FindAttribute(attribute);
  if (found == nullptr || found->type != DataType::kChar) return std::nullopt;
  return found->text;
}

std::optional<double> Variable::Number(std::string_view attribute) const {
  const Attribute* found = FindAttribute(attribute);
  if (found == nullptr || found->numbers.empty()) return std::nullopt;
  return found->numbers.front();
}

std::optional<size_t> Variable::DimensionIndex(std::string_view dimension) const {
  for (size_t d = 0; d < dimensions.size(); ++d) {
    if (dimensions[d] == dimension) return d;
  }
  return std::nullopt;
}

Result<LocalFile> LocalFile::Open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const std::string reason = "opening " + path + ": " + std::strerror(errno);
    if (errno == ENOENT || errno == ENOTDIR) return base::NotFound(reason);
    if (errno == EACCES || errno == EPERM) return base::PermissionDenied(reason);
    return base::Unavailable(reason);
  }
  LocalFile file(fd);
  SEAMOUNT_TRY_ASSIGN(file.identity_, file.Identify(path));
  return file;
}

Result<FileIdentity> LocalFile::Identify(const std::string& path) const {
  struct stat info = {};
  if (::fstat(fd_, &info) != 0) return base::Unavailable("reading " + path + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return base::InvalidArgument("reading " + path + ": it is not a regular file");
  FileIdentity identity;
  identity.path = path;
  identity.local = true;
  identity.size_bytes = static_cast<uint64_t>(info.st_size);
  identity.modified_ns = static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
  return identity;
}

LocalFile::~LocalFile() {
  if (fd_ >= 0) ::close(fd_);
}

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
  SEAMOUNT_TRY_ASSIGN(LocalFile file, LocalFile::Open(path));
  const auto source = std::make_shared<LocalFile>(std::move(file));
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

Result<void> CheckUnchanged(const FileIdentity& file) {
  if (!file.local) return {};
  SEAMOUNT_TRY_ASSIGN(const LocalFile now, LocalFile::Open(file.path));
  if (now.identity().size_bytes == file.size_bytes && now.identity().modified_ns == file.modified_ns) return {};
  return base::DataLoss(file.path + " changed while it was read: run it again when nobody writes to it");
}

std::optional<size_t> VariableIndex(const Dataset& dataset, std::string_view name) {
  for (size_t i = 0; i < dataset.variables().size(); ++i) {
    if (dataset.variables()[i].name == name) return i;
  }
  return std::nullopt;
}

Result<size_t> FindVariable(const Dataset& dataset, std::string_view name) {
  if (const auto found = VariableIndex(dataset, name)) return *found;
  std::vector<std::string> names;
  for (const Variable& variable : dataset.variables()) names.push_back(variable.name);
  return base::InvalidArgument(dataset.files().front().path + " has no variable '" + std::string(name) + "'" +
                               base::NameHint(name, names));
}

const Dimension* FindDimension(const Dataset& dataset, std::string_view name) {
  for (const Dimension& dimension : dataset.dimensions()) {
    if (dimension.name == name) return &dimension;
  }
  return nullptr;
}

Result<void> CheckBox(const Variable& variable, const Box& box, size_t bytes, const std::string& file) {
  const auto fail = [&](const std::string& what) {
    return base::InvalidArgument("reading variable '" + variable.name + "' of " + file + ": " + what);
  };
  if (!variable.unreadable.empty()) return fail(variable.unreadable);
  const size_t rank = variable.shape.size();
  if (box.origin.size() != rank || box.shape.size() != rank) return fail("the box has another rank");
  for (size_t d = 0; d < rank; ++d) {
    if (box.origin[d] > variable.shape[d] || box.shape[d] > variable.shape[d] - box.origin[d]) {
      return fail("the box ends beyond dimension '" + variable.dimensions[d] + "' of size " +
                  std::to_string(variable.shape[d]));
    }
  }
  if (Elements(box.shape) * SizeOf(variable.type) != bytes) return fail("the buffer is not of the box's size");
  return {};
}

}  // namespace seamount::source
