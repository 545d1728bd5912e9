// Arrays that are written to: boxes of elements, and other shapes.
#include "bindings/array_writing.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/array_strings.h"
#include "bindings/errors.h"
#include "bindings/interruptible.h"
#include "exec/thread_pool.h"
#include "loader/transform.h"
#include "loader/variable.h"
#include "zarr/array.h"
#include "zarr/consolidated.h"

namespace nb = nanobind;

namespace seamount::python {
namespace {

// As many as read (array.cc): writing waits for the network too.
constexpr int kWriteThreads = 16;

using ElementBytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const std::byte> SpanOf(const ElementBytes& bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

// Calls body(pool, context) without the GIL.
template <class F>
auto WithPool(int threads, F body) {
  return Interruptibly([&](const CallContext& context) {
    exec::ThreadPool pool(threads);
    return body(&pool, context);
  });
}

bool IsText(const zarr::Array& array) {
  return zarr::ElementTypeOf(array.metadata()).kind == zarr::ElementKind::kString;
}

void Write(zarr::Array& array, nd::Index origin, nd::Index shape, const ElementBytes& bytes, int threads) {
  const nd::Box box{std::move(origin), std::move(shape)};
  CheckOrRaise(WithPool(threads, [&](exec::ThreadPool* pool, const CallContext& context) {
    return array.WriteRegion(box, SpanOf(bytes), pool, context);
  }));
}

void WriteStrings(zarr::Array& array, nd::Index origin, nd::Index shape, const nb::object& sequence) {
  const nd::Box box{std::move(origin), std::move(shape)};
  const StringItems items = ItemsOf(sequence, IsText(array));
  CheckOrRaise(WithPool(kWriteThreads, [&](exec::ThreadPool* pool, const CallContext& context) {
    return array.WriteStrings(box, items.views, pool, context);
  }));
}

// The array has to be opened anew after these.
void Resize(zarr::Array& array, const nd::Index& shape) {
  ValueOrRaise(WithPool(kWriteThreads, [&](exec::ThreadPool* pool, const CallContext& context) {
    return array.Resized(shape, pool, context);
  }));
}

void Append(zarr::Array& array, size_t axis, const ElementBytes& bytes) {
  ValueOrRaise(WithPool(kWriteThreads, [&](exec::ThreadPool* pool, const CallContext& context) {
    return array.Appended(axis, SpanOf(bytes), pool, context);
  }));
}

void AppendStrings(zarr::Array& array, size_t axis, const nb::object& sequence) {
  const StringItems items = ItemsOf(sequence, IsText(array));
  ValueOrRaise(WithPool(kWriteThreads, [&](exec::ThreadPool* pool, const CallContext& context) {
    return array.AppendedStrings(axis, items.views, pool, context);
  }));
}

void RefreshConsolidated(const loader::Group& group) {
  CheckOrRaise(Interruptibly(
      [&](const CallContext& context) { return zarr::RefreshConsolidated(*group.store(), "", context); }));
}

// Whether reading makes other numbers of those that are stored.
bool IsPacked(const zarr::Array& array) {
  const zarr::ArrayMetadata& metadata = array.metadata();
  if (!loader::IsReal(metadata.data_type)) return false;
  const cf::Packing packing = ValueOrRaise(loader::PackingOf(metadata));
  return packing.scales() || packing.type != metadata.data_type;
}

}  // namespace

void AddWriting(nb::class_<zarr::Array>& array, nb::class_<loader::Group>& group) {
  array.def("write", &Write, nb::arg("origin"), nb::arg("shape"), nb::arg("data"), nb::arg("threads") = kWriteThreads)
      .def("write_strings", &WriteStrings, nb::arg("origin"), nb::arg("shape"), nb::arg("data"))
      .def("resize", &Resize, nb::arg("shape"))
      .def("append", &Append, nb::arg("axis"), nb::arg("data"))
      .def("append_strings", &AppendStrings, nb::arg("axis"), nb::arg("data"))
      .def_prop_ro("packed", &IsPacked);
  group.def("refresh_consolidated", &RefreshConsolidated);
}

}  // namespace seamount::python
