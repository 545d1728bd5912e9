// Zarr arrays for reading a field at a time: forward mode, coordinates, statistics.
#include "zarr/array.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "base/text.h"
#include "bindings/bindings.h"
#include "bindings/errors.h"
#include "bindings/interruptible.h"
#include "bindings/store.h"
#include "exec/thread_pool.h"
#include "loader/variable.h"
#include "nd/box.h"
#include "nd/data_type.h"

namespace nb = nanobind;

namespace seamount::python {
namespace {

using nd::DataType;

// Fetches wait for the network more than they compute.
constexpr int kReadThreads = 16;

std::unique_ptr<zarr::Array> Open(const std::string& url, const std::string& variable, const std::string& endpoint,
                                  const std::string& key, bool anonymous) {
  const auto store = OpenStoreOrRaise(url, {.endpoint = endpoint, .key = key, .anonymous = anonymous});
  return ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return loader::OpenArray(store, variable, context); }));
}

nb::dlpack::dtype TypeOf(DataType type) {
  switch (type) {
    case DataType::kBool: return nb::dtype<bool>();
    case DataType::kInt8: return nb::dtype<int8_t>();
    case DataType::kInt16: return nb::dtype<int16_t>();
    case DataType::kInt32: return nb::dtype<int32_t>();
    case DataType::kInt64: return nb::dtype<int64_t>();
    case DataType::kUInt8: return nb::dtype<uint8_t>();
    case DataType::kUInt16: return nb::dtype<uint16_t>();
    case DataType::kUInt32: return nb::dtype<uint32_t>();
    case DataType::kUInt64: return nb::dtype<uint64_t>();
    case DataType::kFloat16: return {static_cast<uint8_t>(nb::dlpack::dtype_code::Float), 16, 1};
    case DataType::kFloat32: return nb::dtype<float>();
    case DataType::kFloat64: return nb::dtype<double>();
    case DataType::kComplex64: return {static_cast<uint8_t>(nb::dlpack::dtype_code::Complex), 64, 1};
    case DataType::kComplex128: return {static_cast<uint8_t>(nb::dlpack::dtype_code::Complex), 128, 1};
    case DataType::kChar:
    case DataType::kOther: break;  // no Zarr array has them
  }
  return nb::dtype<float>();
}

nb::object ToNumpy(Buffer buffer, const nd::Index& shape, nb::dlpack::dtype type) {
  auto memory = std::make_unique<Buffer>(std::move(buffer));
  void* data = memory->data();
  const nb::capsule owner(memory.release(), [](void* owned) noexcept { delete static_cast<Buffer*>(owned); });
  const std::vector<size_t> extents(shape.begin(), shape.end());
  return nb::ndarray<nb::numpy>(data, extents.size(), extents.data(), owner, nullptr, type).cast();
}

// Whether decoding changes a number: else its own type is kept.
bool IsPacked(const loader::CfAttributes& cf) {
  return cf.scale_factor != 1 || cf.add_offset != 0 || !cf.missing.empty();
}

Buffer Decode(const zarr::Array& array, const loader::CfAttributes& cf, const Buffer& stored) {
  const DataType type = array.metadata().data_type;
  const size_t count = stored.size() / nd::SizeOf(type);
  Buffer decoded(count * sizeof(double));
  const loader::Transform transform{
      .shift = -cf.add_offset / cf.scale_factor, .factor = cf.scale_factor, .missing = cf.missing};
  loader::TransformRun(type, transform, stored.data(), 1, reinterpret_cast<double*>(decoded.data()), count);
  return decoded;
}

// Positions [start, stop) of the first dimension, all of the others.
nb::object Read(zarr::Array& array, uint64_t start, uint64_t stop, bool raw) {
  const zarr::ArrayMetadata& metadata = array.metadata();
  nd::Box box{nd::Index(metadata.shape.size(), 0), metadata.shape};
  if (!box.shape.empty()) {
    if (start > stop || stop > metadata.shape[0]) {
      Raise(base::InvalidArgument("select " + std::to_string(start) + ".." + std::to_string(stop) + " of '" +
                                  array.path() + "': its first dimension has positions 0.." +
                                  std::to_string(metadata.shape[0])));
    }
    box.origin[0] = start;
    box.shape[0] = stop - start;
  }
  uint64_t bytes = nd::SizeOf(metadata.data_type);
  for (const uint64_t extent : box.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes) || bytes > (uint64_t{1} << 46)) {
      Raise(base::InvalidArgument("reading '" + array.path() +
                                  "' whole would take more memory than there is: " + "read part of it with select"));
    }
  }
  Buffer stored = ValueOrRaise(Interruptibly([&](const CallContext& context) -> Result<Buffer> {
    Buffer buffer(bytes);
    exec::ThreadPool pool(kReadThreads);
    SEAMOUNT_TRY(array.ReadRegion(box, buffer.span(), &pool, context));
    return buffer;
  }));
  if (raw || !loader::IsReal(metadata.data_type))
    return ToNumpy(std::move(stored), box.shape, TypeOf(metadata.data_type));
  const auto cf = ValueOrRaise(loader::ParseCfAttributes(metadata));
  if (!IsPacked(cf)) return ToNumpy(std::move(stored), box.shape, TypeOf(metadata.data_type));
  return ToNumpy(Decode(array, cf, stored), box.shape, nb::dtype<double>());
}

// (Zarr format, text) of the JSON document that holds a group's attributes; None where there is none.
nb::object GroupDocument(const std::string& url, const std::string& endpoint, const std::string& key, bool anonymous) {
  const auto store = OpenStoreOrRaise(url, {.endpoint = endpoint, .key = key, .anonymous = anonymous});
  struct Document {
    const char* key;
    int format;
  };
  for (const Document& kind : {Document{"zarr.json", 3}, Document{".zattrs", 2}}) {
    const auto found =
        ValueOrRaise(Interruptibly([&](const CallContext& context) { return store->Read(kind.key, {}, context); }));
    if (found) return nb::make_tuple(kind.format, nb::str(found->data.view().data(), found->data.size()));
  }
  return nb::none();
}

}  // namespace

void AddArray(nb::module_& module) {
  nb::class_<zarr::Array>(module, "Array")
      .def("read", &Read, nb::arg("start"), nb::arg("stop"), nb::arg("raw"))
      .def_prop_ro("path", &zarr::Array::path)
      .def_prop_ro("shape", [](const zarr::Array& array) { return array.metadata().shape; })
      .def_prop_ro("chunks", [](const zarr::Array& array) { return array.metadata().chunk_shape; })
      .def_prop_ro("dtype",
                   [](const zarr::Array& array) { return std::string(nd::NameOf(array.metadata().data_type)); })
      .def_prop_ro("dims", [](const zarr::Array& array) { return array.metadata().dimension_names; })
      .def_prop_ro("attributes_json", [](const zarr::Array& array) { return array.metadata().attributes_json; });
  module.def("open_array", &Open, nb::arg("url"), nb::arg("variable"), nb::arg("endpoint"), nb::arg("key"),
             nb::arg("anonymous"));
  module.def("group_document", &GroupDocument, nb::arg("url"), nb::arg("endpoint"), nb::arg("key"),
             nb::arg("anonymous"));
}

}  // namespace seamount::python
