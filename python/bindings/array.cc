// Zarr groups and their arrays, for reading a field at a time: forward mode, coordinates, statistics.
#include "zarr/array.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>

#include "base/text.h"
#include "bindings/array_strings.h"
#include "bindings/array_writing.h"
#include "bindings/bindings.h"
#include "bindings/errors.h"
#include "bindings/interruptible.h"
#include "bindings/store.h"
#include "cf/decode.h"
#include "exec/thread_pool.h"
#include "loader/group.h"
#include "loader/time_axis.h"
#include "loader/transform.h"
#include "loader/variable.h"
#include "nd/box.h"
#include "nd/data_type.h"

namespace nb = nanobind;

namespace seamount::python {
namespace {

using nd::DataType;

// Fetches wait for the network more than they compute.
constexpr int kReadThreads = 16;

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

// The dtype of elements that are no numbers, as NumPy (or ml_dtypes) has it.
nb::object NumpyTypeOf(const zarr::ElementType& type) {
  if (type.kind == zarr::ElementKind::kBFloat16) {
    return nb::module_::import_("numpy").attr("dtype")(nb::module_::import_("ml_dtypes").attr("bfloat16"));
  }
  if (type.kind == zarr::ElementKind::kString) {  // NumPy 2 has a type for it
    const nb::module_ types = nb::module_::import_("numpy").attr("dtypes");
    if (nb::hasattr(types, "StringDType")) return types.attr("StringDType")();
  }
  if (type.variable()) return nb::module_::import_("numpy").attr("dtype")("O");
  nb::object code = nb::module_::import_("json").attr("loads")(zarr::NameOf(type));
  if (!type.fields.empty()) {
    nb::list fields;
    for (nb::handle field : code) fields.append(nb::tuple(field));
    code = fields;
  }
  return nb::module_::import_("numpy").attr("dtype")(code);
}

nb::object TypeOfElements(const zarr::Array& array) {
  const zarr::ArrayMetadata& metadata = array.metadata();
  if (metadata.other_type) return NumpyTypeOf(*metadata.other_type);
  const std::string name(nd::NameOf(metadata.data_type));
  return nb::str(name.c_str(), name.size());
}

nb::object ReadStrings(zarr::Array& array, const nd::Box& box, int threads) {
  const auto strings = ValueOrRaise(Interruptibly([&](const CallContext& context) {
    exec::ThreadPool pool(threads);
    return array.ReadStrings(box, &pool, context);
  }));
  const zarr::ElementType type = zarr::ElementTypeOf(array.metadata());
  nb::list extents;
  for (const uint64_t extent : box.shape) extents.append(extent);
  return nb::module_::import_("numpy")
      .attr("array")(ListOf(strings, type.kind == zarr::ElementKind::kString), NumpyTypeOf(type))
      .attr("reshape")(nb::tuple(extents));
}

// The box of elements at `origin`; the caller has checked that it lies inside.
nb::object Read(zarr::Array& array, nd::Index origin, nd::Index shape, bool raw, int threads) {
  const zarr::ArrayMetadata& metadata = array.metadata();
  const nd::Box box{std::move(origin), std::move(shape)};
  if (zarr::ElementTypeOf(metadata).variable()) return ReadStrings(array, box, threads);
  uint64_t bytes = zarr::ElementTypeOf(metadata).size;
  for (const uint64_t extent : box.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes) || bytes > (uint64_t{1} << 46)) {
      Raise(base::InvalidArgument("reading '" + array.path() +
                                  "' whole would take more memory than there is: read part of it"));
    }
  }
  Buffer stored = ValueOrRaise(Interruptibly([&](const CallContext& context) -> Result<Buffer> {
    Buffer buffer(bytes);
    exec::ThreadPool pool(threads);
    SEAMOUNT_TRY(array.ReadRegion(box, buffer.span(), &pool, context));
    return buffer;
  }));
  if (metadata.other_type) {
    const nb::object type = NumpyTypeOf(*metadata.other_type);
    nb::list extents;
    for (const uint64_t extent : box.shape) extents.append(extent);
    return ToNumpy(std::move(stored), {bytes}, nb::dtype<uint8_t>())
        .attr("view")(type)
        .attr("reshape")(nb::tuple(extents));
  }
  const nb::dlpack::dtype stored_type = TypeOf(metadata.data_type);
  if (raw || !loader::IsReal(metadata.data_type)) return ToNumpy(std::move(stored), box.shape, stored_type);
  const cf::Packing packing = ValueOrRaise(loader::PackingOf(metadata));
  // Where decoding changes no number its own type is kept.
  if (packing.identity(metadata.data_type)) return ToNumpy(std::move(stored), box.shape, stored_type);
  const size_t count = nd::Elements(box.shape);
  Buffer decoded(count * sizeof(double));
  cf::Decode(stored.span(), packing, std::span(reinterpret_cast<double*>(decoded.data()), count));
  return ToNumpy(std::move(decoded), box.shape, nb::dtype<double>());
}

loader::Group OpenGroup(const StoreHandle& store, const std::vector<std::string>& early) {
  return ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return loader::Group::Open(store.store, early, context); }));
}

std::unique_ptr<zarr::Array> OpenArray(const loader::Group& group, const std::string& name,
                                       const std::string& missing_chunks) {
  const auto missing = ValueOrRaise(loader::MissingChunksFromName(missing_chunks));
  return ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return group.OpenArray(name, missing, context); }));
}

std::vector<std::string> ArraysOf(const loader::Group& group) {
  return ValueOrRaise(Interruptibly([&](const CallContext& context) { return group.Arrays(context); }));
}

loader::TimeAxis TimeAxisOf(const loader::Group& group, const std::string& dimension) {
  return ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return loader::TimeAxis::Open(group, dimension, context); }));
}

nb::object UnixMicrosecondsOf(const loader::TimeAxis& axis) {
  auto moments = axis.UnixMicroseconds();
  if (!moments) return nb::none();
  Buffer buffer(moments->size() * sizeof(int64_t));
  std::memcpy(buffer.data(), moments->data(), buffer.size());
  return ToNumpy(std::move(buffer), {moments->size()}, nb::dtype<int64_t>());
}

std::vector<std::string> TextsOf(const loader::TimeAxis& axis) {
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < axis.size(); ++i) texts.push_back(axis.TextOf(i));
  return texts;
}

nb::tuple Find(const loader::TimeAxis& axis, const std::string& from, const std::string& to) {
  const loader::Interval found = ValueOrRaise(axis.Find(from, to));
  return nb::make_tuple(found.begin, found.end);
}

int64_t StepOf(const loader::TimeAxis& axis, const loader::Group& group) {
  return ValueOrRaise(axis.Step(group.notes().segments));
}

nb::list RangesOf(const std::vector<loader::Interval>& intervals) {
  nb::list ranges;
  for (const auto& [begin, end] : intervals) ranges.append(nb::make_tuple(begin, end));
  return ranges;
}

nb::dict SplitsOf(const loader::Group& group) {
  nb::dict splits;
  for (const auto& [name, ranges] : group.notes().splits) {
    splits[nb::str(name.c_str(), name.size())] = RangesOf(ranges);
  }
  return splits;
}

}  // namespace

void AddArray(nb::module_& module) {
  nb::class_<zarr::Array> arrays(module, "Array");
  arrays.def("read", &Read, nb::arg("origin"), nb::arg("shape"), nb::arg("raw"), nb::arg("threads") = kReadThreads)
      .def_prop_ro("path", &zarr::Array::path)
      .def_prop_ro("shape", [](const zarr::Array& array) { return array.metadata().shape; })
      .def_prop_ro("chunks", [](const zarr::Array& array) { return array.metadata().chunk_shape; })
      .def_prop_ro("dtype", &TypeOfElements)
      .def_prop_ro("dims", [](const zarr::Array& array) { return array.metadata().dimension_names; })
      .def_prop_ro("attributes_json", [](const zarr::Array& array) { return array.metadata().attributes_json; });
  nb::class_<loader::Group> groups(module, "Group");
  groups.def("arrays", &ArraysOf)
      .def("open_array", &OpenArray, nb::arg("name"), nb::arg("missing_chunks"))
      .def("time_axis", &TimeAxisOf, nb::arg("dimension"))
      .def("check_same",
           [](const loader::Group& group) {
             CheckOrRaise(Interruptibly([&](const CallContext& context) { return group.CheckSame(context); }));
           })
      .def_prop_ro("attributes_json", &loader::Group::attributes_json)
      .def_prop_ro("sample_dim", [](const loader::Group& group) { return group.notes().sample_dim; })
      .def_prop_ro("splits", &SplitsOf)
      .def_prop_ro("segments", [](const loader::Group& group) { return RangesOf(group.notes().segments); });
  AddWriting(arrays, groups);
  nb::class_<loader::TimeAxis>(module, "TimeAxis")
      .def("find", &Find, nb::arg("first"), nb::arg("last"))
      .def("step_microseconds", &StepOf, nb::arg("group"))
      .def("unix_microseconds", &UnixMicrosecondsOf)
      .def("texts", &TextsOf);
  module.def("open_group", &OpenGroup, nb::arg("store"), nb::arg("early") = std::vector<std::string>());
}

}  // namespace seamount::python
