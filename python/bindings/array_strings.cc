#include "bindings/array_strings.h"

namespace nb = nanobind;

namespace seamount::python {
namespace {

std::string_view TextOf(PyObject* item) {
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(item, &size);
  if (data == nullptr) throw nb::python_error();
  return {data, static_cast<size_t>(size)};
}

std::string_view BytesOf(PyObject* item) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(item, &data, &size) != 0) throw nb::python_error();
  return {data, static_cast<size_t>(size)};
}

}  // namespace

nb::list ListOf(const zarr::Array::Strings& strings, bool text) {
  nb::list list;
  for (const std::string_view element : strings.elements) {
    if (text) {
      list.append(nb::str(element.data(), element.size()));
    } else {
      list.append(nb::bytes(element.data(), element.size()));
    }
  }
  return list;
}

StringItems ItemsOf(const nb::object& sequence, bool text) {
  StringItems items{nb::tuple(sequence), {}};
  items.views.reserve(nb::len(items.sequence));
  for (const nb::handle item : items.sequence) items.views.push_back(text ? TextOf(item.ptr()) : BytesOf(item.ptr()));
  return items;
}

}  // namespace seamount::python
