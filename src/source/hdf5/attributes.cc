#include "source/hdf5/attributes.h"

#include <hdf5.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "cf/attribute.h"
#include "nd/data_type.h"
#include "source/hdf5/library.h"

namespace seamount::source::hdf5 {

using SpaceHandle = Handle<H5Sclose>;
using TypeHandle = Handle<H5Tclose>;
using AttributeHandle = Handle<H5Aclose>;
using ObjectHandle = Handle<H5Oclose>;
namespace {

constexpr size_t kMaxAttributeBytes = 64 << 20;  // an attribute is a remark, not data

// Marks of the dimension-scale and NetCDF-4 conventions, of no interest to people.
constexpr std::array<std::string_view, 8> kInternal = {"CLASS",          "NAME",          "DIMENSION_LIST",
                                                       "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates",
                                                       "_nc3_strict",    "_NCProperties"};

std::optional<cf::Attribute> ReadText(hid_t attribute, hid_t type, hid_t space, cf::Attribute out) {
  const hssize_t points = H5Sget_simple_extent_npoints(space);
  if (points < 0 || points > 4096) return std::nullopt;
  if (H5Tis_variable_str(type) > 0) {
    std::vector<char*> strings(static_cast<size_t>(points), nullptr);
    TypeHandle memory(H5Tcopy(H5T_C_S1));
    H5Tset_size(memory.get(), H5T_VARIABLE);
    H5Tset_cset(memory.get(), H5Tget_cset(type));
    if (points > 0 && H5Aread(attribute, memory.get(), strings.data()) < 0) return std::nullopt;
    for (size_t i = 0; i < strings.size(); ++i) {
      if (i > 0) out.text += ", ";
      if (strings[i] != nullptr) out.text += strings[i];
    }
    if (points > 0) H5Dvlen_reclaim(memory.get(), space, H5P_DEFAULT, strings.data());
    return out;
  }
  const size_t size = H5Tget_size(type);
  if (size == 0 || size > kMaxAttributeBytes / static_cast<size_t>(std::max<hssize_t>(1, points))) return std::nullopt;
  std::string raw(size * static_cast<size_t>(points), '\0');
  if (!raw.empty() && H5Aread(attribute, type, raw.data()) < 0) return std::nullopt;
  while (!raw.empty() && raw.back() == '\0') raw.pop_back();
  out.text = std::move(raw);
  return out;
}

}  // namespace

nd::DataType TypeOf(hid_t type, bool* swap) {
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_STRING && H5Tis_variable_str(type) <= 0 && H5Tget_size(type) == 1) {
    *swap = false;
    return nd::DataType::kChar;
  }
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) return nd::DataType::kOther;
  const size_t size = H5Tget_size(type);
  const H5T_order_t order = H5Tget_order(type);
  const H5T_order_t native = std::endian::native == std::endian::little ? H5T_ORDER_LE : H5T_ORDER_BE;
  *swap = size > 1 && order != native;
  if (size > 1 && order != H5T_ORDER_LE && order != H5T_ORDER_BE) return nd::DataType::kOther;
  const auto any_of = [&](hid_t little, hid_t big) { return H5Tequal(type, little) > 0 || H5Tequal(type, big) > 0; };
  if (kind == H5T_FLOAT) {
    if (any_of(H5T_IEEE_F32LE, H5T_IEEE_F32BE)) return nd::DataType::kFloat32;
    return any_of(H5T_IEEE_F64LE, H5T_IEEE_F64BE) ? nd::DataType::kFloat64 : nd::DataType::kOther;
  }
  if (H5Tget_precision(type) != 8 * size || H5Tget_offset(type) != 0) return nd::DataType::kOther;  // padded bits
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  switch (size) {
    case 1: return is_signed ? nd::DataType::kInt8 : nd::DataType::kUInt8;
    case 2: return is_signed ? nd::DataType::kInt16 : nd::DataType::kUInt16;
    case 4: return is_signed ? nd::DataType::kInt32 : nd::DataType::kUInt32;
    case 8: return is_signed ? nd::DataType::kInt64 : nd::DataType::kUInt64;
    default: return nd::DataType::kOther;
  }
}

hid_t NativeType(nd::DataType type) {
  switch (type) {
    case nd::DataType::kInt8: return H5T_NATIVE_INT8;
    case nd::DataType::kUInt8: return H5T_NATIVE_UINT8;
    case nd::DataType::kInt16: return H5T_NATIVE_INT16;
    case nd::DataType::kUInt16: return H5T_NATIVE_UINT16;
    case nd::DataType::kInt32: return H5T_NATIVE_INT32;
    case nd::DataType::kUInt32: return H5T_NATIVE_UINT32;
    case nd::DataType::kInt64: return H5T_NATIVE_INT64;
    case nd::DataType::kUInt64: return H5T_NATIVE_UINT64;
    case nd::DataType::kFloat32: return H5T_NATIVE_FLOAT;
    case nd::DataType::kFloat64: return H5T_NATIVE_DOUBLE;
    default: return H5T_NATIVE_CHAR;  // no others come from TypeOf
  }
}

std::optional<cf::Attribute> ReadAttribute(hid_t object, const std::string& name) {
  if (H5Aexists(object, name.c_str()) <= 0) return std::nullopt;
  const AttributeHandle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT));
  if (!attribute) return std::nullopt;
  const TypeHandle type(H5Aget_type(attribute.get()));
  const SpaceHandle space(H5Aget_space(attribute.get()));
  if (!type || !space) return std::nullopt;
  cf::Attribute out{name, nd::DataType::kChar, {}, {}};
  const hssize_t points = H5Sget_simple_extent_npoints(space.get());
  if (H5Tget_class(type.get()) == H5T_STRING) return ReadText(attribute.get(), type.get(), space.get(), std::move(out));
  bool swap = false;
  out.type = TypeOf(type.get(), &swap);
  if (out.type == nd::DataType::kOther || points < 0 ||
      static_cast<size_t>(points) > kMaxAttributeBytes / sizeof(double)) {
    return std::nullopt;
  }
  out.numbers.resize(static_cast<size_t>(points));
  if (points > 0 && H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, out.numbers.data()) < 0) return std::nullopt;
  return out;
}

std::vector<cf::Attribute> ReadAttributes(hid_t object) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* into) -> herr_t {
    static_cast<std::vector<std::string>*>(into)->emplace_back(name);
    return 0;
  };
  // In order of creation where the file keeps it (NetCDF-4 does), else by name.
  hsize_t at = 0;
  if (H5Aiterate2(object, H5_INDEX_CRT_ORDER, H5_ITER_INC, &at, add, &names) < 0) {
    names.clear();
    at = 0;
    H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &at, add, &names);
  }
  std::vector<cf::Attribute> attributes;
  for (const std::string& name : names) {
    if (std::find(kInternal.begin(), kInternal.end(), name) != kInternal.end()) continue;
    if (auto attribute = ReadAttribute(object, name)) attributes.push_back(*std::move(attribute));
  }
  return attributes;
}

std::string PathOf(hid_t object) {
  const ssize_t size = H5Iget_name(object, nullptr, 0);
  if (size <= 0) return {};
  std::string path(static_cast<size_t>(size) + 1, '\0');
  H5Iget_name(object, path.data(), path.size());
  path.pop_back();
  return path;
}

std::vector<std::string> ReadDimensionList(hid_t dataset, size_t rank) {
  std::vector<std::string> paths(rank);
  if (rank == 0 || H5Aexists(dataset, "DIMENSION_LIST") <= 0) return paths;
  const AttributeHandle attribute(H5Aopen(dataset, "DIMENSION_LIST", H5P_DEFAULT));
  const TypeHandle type(attribute ? H5Aget_type(attribute.get()) : -1);
  const SpaceHandle space(attribute ? H5Aget_space(attribute.get()) : -1);
  if (!type || !space || H5Tget_class(type.get()) != H5T_VLEN) return paths;
  if (H5Sget_simple_extent_npoints(space.get()) != static_cast<hssize_t>(rank)) return paths;
  const TypeHandle memory(H5Tvlen_create(H5T_STD_REF_OBJ));
  std::vector<hvl_t> lists(rank, hvl_t{0, nullptr});
  if (H5Aread(attribute.get(), memory.get(), lists.data()) < 0) return paths;
  for (size_t d = 0; d < rank; ++d) {
    if (lists[d].len == 0) continue;
    const ObjectHandle scale(H5Rdereference2(dataset, H5P_DEFAULT, H5R_OBJECT, lists[d].p));
    if (scale) paths[d] = PathOf(scale.get());
  }
  H5Dvlen_reclaim(memory.get(), space.get(), H5P_DEFAULT, lists.data());
  return paths;
}

}  // namespace seamount::source::hdf5
