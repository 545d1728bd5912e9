#include "nd/data_type.h"

#include <iterator>

namespace seamount::nd {
namespace {

struct Row {
  DataType type;
  std::string_view name;
  size_t size;
};
constexpr Row kRows[] = {
    {DataType::kBool, "bool", 1},           {DataType::kInt8, "int8", 1},
    {DataType::kInt16, "int16", 2},         {DataType::kInt32, "int32", 4},
    {DataType::kInt64, "int64", 8},         {DataType::kUInt8, "uint8", 1},
    {DataType::kUInt16, "uint16", 2},       {DataType::kUInt32, "uint32", 4},
    {DataType::kUInt64, "uint64", 8},       {DataType::kFloat16, "float16", 2},
    {DataType::kFloat32, "float32", 4},     {DataType::kFloat64, "float64", 8},
    {DataType::kComplex64, "complex64", 8}, {DataType::kComplex128, "complex128", 16},
    {DataType::kChar, "char", 1},           {DataType::kOther, "other", 0},
};
constexpr bool RowsInEnumOrder() {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if (kRows[i].type != static_cast<DataType>(i)) return false;
  }
  return true;
}
static_assert(RowsInEnumOrder(), "rows are found by their enumerator");

const Row& RowOf(DataType type) { return kRows[static_cast<size_t>(type)]; }

// Signed and unsigned integers stand in the same order.
constexpr int kSigns = static_cast<int>(DataType::kUInt8) - static_cast<int>(DataType::kInt8);
bool IsSigned(DataType type) { return type >= DataType::kInt8 && type <= DataType::kInt64; }
bool IsUnsigned(DataType type) { return type >= DataType::kUInt8 && type <= DataType::kUInt64; }

}  // namespace

size_t SizeOf(DataType type) { return RowOf(type).size; }

std::string_view NameOf(DataType type) { return RowOf(type).name; }

size_t WordSizeOf(DataType type) {
  const bool complex = type == DataType::kComplex64 || type == DataType::kComplex128;
  return complex ? SizeOf(type) / 2 : SizeOf(type);
}

bool IsInteger(DataType type) { return IsSigned(type) || IsUnsigned(type); }

bool IsFloat(DataType type) { return type >= DataType::kFloat16 && type <= DataType::kFloat64; }

DataType Unsigned(DataType type) {
  return IsSigned(type) ? static_cast<DataType>(static_cast<int>(type) + kSigns) : type;
}

DataType Signed(DataType type) {
  return IsUnsigned(type) ? static_cast<DataType>(static_cast<int>(type) - kSigns) : type;
}

}  // namespace seamount::nd
