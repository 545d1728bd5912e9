#include "source/hdf5/metadata.h"

#include <hdf5.h>

#include <algorithm>
#include <map>
#include <set>

#include "nd/box.h"
#include "nd/data_type.h"
#include "source/hdf5/attributes.h"
#include "source/hdf5/library.h"
#include "source/hdf5/scale_offset.h"

namespace seamount::source::hdf5 {

using DatasetHandle = Handle<H5Dclose>;
using SpaceHandle = Handle<H5Sclose>;
using TypeHandle = Handle<H5Tclose>;
using PropertiesHandle = Handle<H5Pclose>;
using ObjectHandle = Handle<H5Oclose>;

namespace {

constexpr std::string_view kNotAVariable = "This is a netCDF dimension but not a netCDF variable";
constexpr std::string_view kNotACoordinate = "_nc4_non_coord_";    // a variable named like a dimension it does not span
constexpr int kMaxDepth = 32;                                      // of groups; deeper is a joke
constexpr const char* kElsewhere = "its data lie in other files";  // which a file must not choose for its reader

// "/group/x" → "group/x", without the mark of variables that are not coordinates.
std::string PublicName(const std::string& path) {
  std::string name = path.starts_with("/") ? path.substr(1) : path;
  const size_t slash = name.rfind('/');
  const size_t base = slash == std::string::npos ? 0 : slash + 1;
  if (std::string_view(name).substr(base).starts_with(kNotACoordinate)) name.erase(base, kNotACoordinate.size());
  return name;
}

struct Listing {
  std::vector<std::string> datasets;
  std::vector<std::string> unopened;  // what this libhdf5 is too old, or the file too damaged, for
  std::string group;
  std::set<haddr_t> groups;  // seen; hard links may go in circles
  int depth = 0;
};

std::string LibraryVersion() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

bool SeenBefore(hid_t group, Listing& listing) {
  H5O_info_t info;
  return H5Oget_info(group, &info) < 0 || !listing.groups.insert(info.addr).second;
}

herr_t Visit(hid_t group, const char* name, const H5L_info_t* link, void* into) {
  auto& listing = *static_cast<Listing*>(into);
  if (link->type == H5L_TYPE_EXTERNAL || listing.depth > kMaxDepth) return 0;  // other files are not ours to open
  const ObjectHandle object(H5Oopen(group, name, H5P_DEFAULT));
  const std::string path = listing.group + "/" + name;
  if (!object) {
    if (link->type == H5L_TYPE_HARD) listing.unopened.push_back(path);  // a soft link may well lead nowhere
    return 0;
  }
  const H5I_type_t kind = H5Iget_type(object.get());
  if (kind == H5I_DATASET) listing.datasets.push_back(path);
  if (kind == H5I_GROUP && link->type == H5L_TYPE_HARD && !SeenBefore(object.get(), listing)) {
    const std::string before = std::exchange(listing.group, path);
    ++listing.depth;
    if (H5Literate(object.get(), H5_INDEX_CRT_ORDER, H5_ITER_INC, nullptr, Visit, into) < 0) {
      H5Literate(object.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, Visit, into);
    }
    --listing.depth;
    listing.group = before;
  }
  return 0;
}

struct KnownFilter {
  H5Z_filter_t id;
  FilterKind kind;
  const char* name;
};
// The first five are HDF5's own, the others registered with the HDF Group.
constexpr KnownFilter kKnownFilters[] = {
    {H5Z_FILTER_DEFLATE, FilterKind::kDeflate, "deflate"},
    {H5Z_FILTER_SHUFFLE, FilterKind::kShuffle, "shuffle"},
    {H5Z_FILTER_FLETCHER32, FilterKind::kFletcher32, "fletcher32"},
    {H5Z_FILTER_SCALEOFFSET, FilterKind::kScaleOffset, "scaleoffset"},
    {H5Z_FILTER_SZIP, FilterKind::kSzip, "szip"},
    {307, FilterKind::kBzip2, "bzip2"},
    {32001, FilterKind::kBlosc, "blosc"},
    {32004, FilterKind::kLz4, "lz4"},
    {32015, FilterKind::kZstd, "zstd"},
};

Filter FilterAt(hid_t properties, unsigned index, bool* available) {
  unsigned flags = 0;
  constexpr size_t kMostValues = 32;
  size_t values_size = kMostValues;
  unsigned values[kMostValues] = {};
  char name[64] = {};
  const H5Z_filter_t id =
      H5Pget_filter2(properties, index, &flags, &values_size, values, sizeof name - 1, name, nullptr);
  *available = true;
  for (const KnownFilter& known : kKnownFilters) {
    if (known.id != id) continue;
    const bool shuffles = known.kind == FilterKind::kShuffle && values_size > 0;
    Filter filter{known.kind, shuffles ? values[0] : 1, known.name};
    const bool by_parameters = known.kind == FilterKind::kScaleOffset || known.kind == FilterKind::kSzip;
    if (by_parameters) filter.parameters.assign(values, values + std::min(values_size, kMostValues));
    if (known.kind != FilterKind::kScaleOffset || CanUndoScaleOffset(filter.parameters)) return filter;
  }
  *available = H5Zfilter_avail(id) > 0;
  return {FilterKind::kOther, 1, name[0] != '\0' ? name : "HDF5 filter " + std::to_string(id)};
}

void ReadFilters(hid_t properties, StoredVariable& out) {
  const int count = H5Pget_nfilters(properties);
  for (int i = 0; i < count; ++i) {
    bool available = false;
    Filter filter = FilterAt(properties, static_cast<unsigned>(i), &available);
    if (!out.variable.filters.empty()) out.variable.filters += ", ";
    out.variable.filters += filter.name;
    if (filter.kind == FilterKind::kOther) out.through_library = true;
    if (!available) {
      out.variable.unreadable = "it is compressed by the filter " + filter.name +
                                ", which is not known here (HDF5_PLUGIN_PATH may name a folder with its plugin)";
    }
    out.filters.push_back(std::move(filter));
  }
}

// At most 64 KiB, in the object's own header.
void ReadCompact(hid_t dataset, StoredVariable& out) {
  out.compact.resize(nd::Elements(out.stored_shape) * nd::SizeOf(out.variable.type));
  const hid_t type = NativeType(out.variable.type);
  if (!out.compact.empty() && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.compact.data()) < 0) {
    out.variable.unreadable = "its data cannot be read: " + LastError();
  }
}

void ReadLayout(hid_t dataset, StoredVariable& out) {
  const PropertiesHandle properties(H5Dget_create_plist(dataset));
  const size_t rank = out.variable.shape.size();
  switch (H5Pget_layout(properties.get())) {
    case H5D_COMPACT:
      out.layout = Layout::kCompact;
      ReadCompact(dataset, out);
      break;
    case H5D_CONTIGUOUS:
      out.layout = Layout::kContiguous;
      if (const haddr_t address = H5Dget_offset(dataset); address != HADDR_UNDEF) out.address = address;
      if (H5Pget_external_count(properties.get()) > 0) out.variable.unreadable = kElsewhere;
      break;
    case H5D_CHUNKED: {
      out.layout = Layout::kChunked;
      std::vector<hsize_t> chunk(rank);
      H5Pget_chunk(properties.get(), static_cast<int>(rank), chunk.data());
      out.variable.chunk_shape.assign(chunk.begin(), chunk.end());
      unsigned options = 0;
      out.plain_edges =
          H5Pget_chunk_opts(properties.get(), &options) >= 0 && (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
      break;
    }
    default: out.variable.unreadable = kElsewhere; break;
  }
  ReadFilters(properties.get(), out);
  out.fill.assign(nd::SizeOf(out.variable.type), std::byte{0});
  if (!out.fill.empty()) H5Pget_fill_value(properties.get(), NativeType(out.variable.type), out.fill.data());
}

struct Scales {
  std::map<std::string, Dimension> by_path;
  std::map<int64_t, std::string> path_by_id;  // _Netcdf4Dimid
  std::set<std::string> sized_by_use;
  std::vector<std::string> order;
};

bool IsScale(hid_t dataset) {
  const auto mark = ReadAttribute(dataset, "CLASS");
  return mark && mark->text == "DIMENSION_SCALE";
}

// The dimensions of one dataset, as NetCDF-4 writes them down; without scales a name is made from the size.
std::vector<std::string> DimensionsOf(hid_t dataset, const std::string& path, const nd::Index& shape, Scales& scales) {
  std::vector<std::string> paths = ReadDimensionList(dataset, shape.size());
  if (IsScale(dataset)) {
    const auto ids = ReadAttribute(dataset, "_Netcdf4Coordinates");
    for (size_t d = 0; d < paths.size(); ++d) {
      if (!paths[d].empty()) continue;
      if (ids && d < ids->numbers.size()) {
        const auto found = scales.path_by_id.find(static_cast<int64_t>(ids->numbers[d]));
        if (found != scales.path_by_id.end()) paths[d] = found->second;
      } else if (shape.size() == 1) {
        paths[d] = path;
      }
    }
  }
  for (size_t d = 0; d < paths.size(); ++d) {
    if (scales.by_path.contains(paths[d])) continue;
    const std::string name = "/phony_dim_" + std::to_string(shape[d]);
    const auto used = [&] {
      return std::count(paths.begin(), paths.begin() + static_cast<std::ptrdiff_t>(d), paths[d]);
    };
    paths[d] = name;
    for (int n = 2; used() > 0; ++n)
      paths[d] = name + "_" + std::to_string(n);  // a dimension stands once in a variable
    if (scales.by_path.emplace(paths[d], Dimension{PublicName(paths[d]), shape[d], false}).second) {
      scales.order.push_back(paths[d]);
    }
  }
  return paths;
}

Result<StoredVariable> ReadVariable(hid_t dataset, const std::string& path) {
  StoredVariable out;
  out.path = path;
  out.variable.name = PublicName(path);
  const SpaceHandle space(H5Dget_space(dataset));
  const int rank = space ? H5Sget_simple_extent_ndims(space.get()) : -1;
  const TypeHandle type(H5Dget_type(dataset));
  if (rank < 0 || rank > H5S_MAX_RANK || !type) {
    return base::DataLoss("variable '" + out.variable.name + "': " + LastError());
  }
  std::vector<hsize_t> shape(static_cast<size_t>(rank));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  out.variable.shape.assign(shape.begin(), shape.end());
  out.variable.type = TypeOf(type.get(), &out.swap_bytes);
  out.stored_shape = out.variable.shape;
  ReadLayout(dataset, out);
  if (out.variable.type == nd::DataType::kOther) out.variable.unreadable = "its type is not a plain number";
  const bool text = H5Tget_class(type.get()) == H5T_STRING && out.variable.type != nd::DataType::kChar;
  if (text) out.variable.unreadable = "it holds text";
  for (const uint64_t extent : out.variable.chunk_shape) {
    if (extent == 0) return base::DataLoss("variable '" + out.variable.name + "': a chunk of size 0");
  }
  out.variable.attributes = ReadAttributes(dataset);
  return out;
}

bool HoldsNothing(hid_t dataset) {
  const SpaceHandle space(H5Dget_space(dataset));
  return H5Sget_simple_extent_type(space.get()) == H5S_NULL;
}

// A dimension scale is a dimension whether or not it holds values; one that holds none is as long as what lies along
// it.
void AddScale(hid_t dataset, const std::string& path, Scales& scales) {
  const SpaceHandle space(H5Dget_space(dataset));
  hsize_t size[H5S_MAX_RANK] = {};
  hsize_t largest[H5S_MAX_RANK] = {};
  if (HoldsNothing(dataset)) {
    scales.sized_by_use.insert(path);
  } else if (H5Sget_simple_extent_dims(space.get(), size, largest) < 1) {
    return;
  }
  scales.by_path[path] = {PublicName(path), size[0], largest[0] == H5S_UNLIMITED};
  scales.order.push_back(path);
  if (const auto id = ReadAttribute(dataset, "_Netcdf4Dimid"); id && !id->numbers.empty()) {
    scales.path_by_id[static_cast<int64_t>(id->numbers.front())] = path;
  }
}

bool IsBareDimension(hid_t dataset) {
  if (HoldsNothing(dataset)) return true;
  const auto name = ReadAttribute(dataset, "NAME");
  return name && name->text.starts_with(kNotAVariable);
}

// An unlimited dimension is as long as the longest variable along it; the others end, to their readers, in fill values.
void GrowUnlimited(Scales& scales, std::vector<StoredVariable>& variables) {
  std::map<std::string, Dimension*> growing;
  for (auto& [path, dimension] : scales.by_path) {
    if (dimension.unlimited || scales.sized_by_use.contains(path)) growing[dimension.name] = &dimension;
  }
  const auto each = [&](auto&& use) {
    for (StoredVariable& stored : variables) {
      for (size_t d = 0; d < stored.variable.shape.size(); ++d) {
        const auto found = growing.find(stored.variable.dimensions[d]);
        if (found != growing.end()) use(*found->second, stored.variable.shape[d]);
      }
    }
  };
  each([](Dimension& dimension, uint64_t extent) { dimension.size = std::max(dimension.size, extent); });
  each([](const Dimension& dimension, uint64_t& extent) { extent = dimension.size; });
}

// Whether elements are there that nobody wrote, as far as the layout tells.
bool HasHoles(hid_t dataset, const StoredVariable& stored) {
  if (stored.stored_shape != stored.variable.shape) return true;
  if (stored.layout == Layout::kContiguous) return stored.address == kNowhere;
  if (stored.layout == Layout::kCompact) return false;
  const SpaceHandle space(H5Dget_space(dataset));
  hsize_t written = 0;
  if (H5Dget_num_chunks(dataset, space.get(), &written) < 0) return false;
  return written < nd::Elements(nd::GridShape(stored.stored_shape, stored.variable.chunk_shape));
}

// Says which number stands for what was never written, where the file has netCDF's default for it. In floats it is no
// plausible value, so that it always counts; an integer may be meant, unless there are holes.
void FindFill(hid_t dataset, StoredVariable& stored) {
  Variable& v = stored.variable;
  const auto fill = cf::DefaultFill(v.type);
  if (!fill || v.FindAttribute("_FillValue") != nullptr) return;
  double found = 0;
  const PropertiesHandle properties(H5Dget_create_plist(dataset));
  if (H5Pget_fill_value(properties.get(), H5T_NATIVE_DOUBLE, &found) < 0) return;
  const bool is_default =
      v.type == nd::DataType::kFloat32 ? static_cast<float>(found) == static_cast<float>(*fill) : found == *fill;
  if (is_default && (nd::IsFloat(v.type) || HasHoles(dataset, stored))) v.fill = *fill;
}

}  // namespace

Result<Description> ReadMetadata(int64_t file_id) {
  const ObjectHandle root(H5Oopen(file_id, "/", H5P_DEFAULT));
  Listing listing;
  if (!root) return base::DataLoss(LastError());
  if (H5Literate(root.get(), H5_INDEX_CRT_ORDER, H5_ITER_INC, nullptr, Visit, &listing) < 0) {
    listing.datasets.clear();
    if (H5Literate(root.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, Visit, &listing) < 0) {
      return base::DataLoss(LastError());
    }
  }
  Description metadata;
  Scales scales;
  std::vector<DatasetHandle> open;
  std::vector<hid_t> described;  // of metadata.variables
  const auto broken = [&](const std::string& path) { return base::DataLoss("'" + path + "': " + LastError()); };
  for (const std::string& path : listing.datasets) {
    open.emplace_back(H5Dopen2(file_id, path.c_str(), H5P_DEFAULT));
    if (!open.back()) return broken(path);
    if (IsScale(open.back().get())) AddScale(open.back().get(), path, scales);
  }
  for (size_t i = 0; i < open.size(); ++i) {
    if (IsScale(open[i].get()) && IsBareDimension(open[i].get())) continue;
    SEAMOUNT_TRY_ASSIGN(StoredVariable variable, ReadVariable(open[i].get(), listing.datasets[i]));
    for (const std::string& path : DimensionsOf(open[i].get(), listing.datasets[i], variable.variable.shape, scales)) {
      variable.variable.dimensions.push_back(scales.by_path[path].name);
    }
    metadata.variables.push_back(std::move(variable));
    described.push_back(open[i].get());
  }
  GrowUnlimited(scales, metadata.variables);
  for (size_t i = 0; i < described.size(); ++i) FindFill(described[i], metadata.variables[i]);
  for (const std::string& path : listing.unopened) {
    StoredVariable stored;
    stored.variable.name = PublicName(path);
    stored.variable.unreadable = "the HDF5 library here (" + LibraryVersion() +
                                 ") cannot open it: it was written by a " +
                                 "newer one, or is damaged (rewrite it with libver=('earliest', 'v110'))";
    metadata.variables.push_back(std::move(stored));
  }
  for (const std::string& path : scales.order) metadata.dimensions.push_back(scales.by_path[path]);
  metadata.attributes = ReadAttributes(root.get());
  return metadata;
}

}  // namespace seamount::source::hdf5
