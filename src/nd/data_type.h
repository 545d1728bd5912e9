// What the elements of an array are.
#pragma once

#include <cstddef>
#include <string_view>

namespace seamount::nd {

enum class DataType {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat16,
  kFloat32,
  kFloat64,
  kComplex64,
  kComplex128,
  // Of raw files only, never of a Zarr array:
  kChar,   // one byte of text; as an attribute's type: text
  kOther,  // strings, compounds and the like: listed, not readable
};

size_t SizeOf(DataType type);            // in bytes; 0 for kOther
std::string_view NameOf(DataType type);  // "float32", as NumPy and Zarr v3 spell it
// The size of what a byte swap swaps: the element, or each part of a complex one.
size_t WordSizeOf(DataType type);

bool IsInteger(DataType type);  // kBool and kChar are none
bool IsFloat(DataType type);    // real floating point
// The integer type of the same size with, or without, a sign; other types as they are.
DataType Unsigned(DataType type);
DataType Signed(DataType type);

}  // namespace seamount::nd
