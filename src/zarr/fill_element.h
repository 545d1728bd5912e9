// Within fill_value*.cc: a fill value's bytes and the value that they are.
#pragma once

#include <cstring>
#include <span>

#include "base/bytes.h"

namespace seamount::zarr {

template <class T>
Bytes ElementOf(const T& value) {
  return Bytes::Copy(std::as_bytes(std::span(&value, 1)));
}

// Zero where the element is of another size.
template <class T>
T ValueOf(const Bytes& element) {
  T value{};
  if (element.size() == sizeof(T)) std::memcpy(&value, element.data(), sizeof(T));
  return value;
}

}  // namespace seamount::zarr
