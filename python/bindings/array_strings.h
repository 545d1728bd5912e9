// Text and bytes of variable length between Python's lists and the engine's views.
#pragma once

#include <nanobind/nanobind.h>

#include <string_view>
#include <vector>

#include "zarr/array.h"

namespace seamount::python {

// A flat list of str, or of bytes. GIL held.
nanobind::list ListOf(const zarr::Array::Strings& strings, bool text);

// Views into the items of a sequence, which it keeps alive. TypeError for an item of another type, UnicodeEncodeError
// for text that has no UTF-8.
struct StringItems {
  nanobind::object sequence;
  std::vector<std::string_view> views;
};
StringItems ItemsOf(const nanobind::object& sequence, bool text);

}  // namespace seamount::python
