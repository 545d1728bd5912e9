// Numbers as numcodecs' filters name them ("<i2"): read, converted and stored as NumPy's astype does it.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "base/result.h"
#include "nd/data_type.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/half.h"

namespace seamount::zarr {

// A number type and the byte order that it is stored in.
struct NumberCode {
  nd::DataType type = nd::DataType::kFloat32;
  bool big_endian = false;

  size_t size() const { return nd::SizeOf(type); }
  bool operator==(const NumberCode&) const = default;
};

// The member as "<f4", "f4" or "float32"; times are the integers that they are stored as. InvalidArgument for what is
// no real number. Absent or null: `fallback`.
Result<NumberCode> NumberMemberOr(const Json& configuration, const char* name, const NumberCode& fallback);
// The numbers that come to the codec, for filters that do not name them; InvalidArgument where they are none.
Result<NumberCode> NumbersOf(const ChunkForm& form);
// Checks that a filter which takes `from` can stand where `form` comes, and turns it into one of `to`.
Result<void> ChangeNumbers(const NumberCode& from, const NumberCode& to, ChunkForm& form);

// Whole numbers, converted one by one: integers wrap, floats are cut off to integers, as C does. from.size() is a
// multiple of the number's size; `into` has room. They do not overlap.
void CastNumbers(const NumberCode& from_code, std::span<const std::byte> from, const NumberCode& to_code,
                 std::span<std::byte> into);

// DataLoss unless the bytes are whole numbers that have room in `into` as the others.
Result<size_t> CountNumbers(std::span<const std::byte> bytes, size_t from_size, size_t to_size, size_t room);

// A half as a type of its own, so that it is not taken for an integer.
struct Half {
  uint16_t bits;
};

// Calls f with a value of the C++ type of `type`: float, Half, int16_t, …; bool for kBool. type is a real number.
template <class F>
decltype(auto) VisitNumber(nd::DataType type, F&& f) {
  switch (type) {
    case nd::DataType::kBool: return f(bool{});
    case nd::DataType::kInt8: return f(int8_t{});
    case nd::DataType::kInt16: return f(int16_t{});
    case nd::DataType::kInt32: return f(int32_t{});
    case nd::DataType::kInt64: return f(int64_t{});
    case nd::DataType::kUInt8: return f(uint8_t{});
    case nd::DataType::kUInt16: return f(uint16_t{});
    case nd::DataType::kUInt32: return f(uint32_t{});
    case nd::DataType::kUInt64: return f(uint64_t{});
    case nd::DataType::kFloat16: return f(Half{});
    case nd::DataType::kFloat32: return f(float{});
    default: return f(double{});
  }
}

template <class T>
T LoadNumber(const std::byte* from) {
  if constexpr (std::is_same_v<T, bool>) {
    return *from != std::byte{0};
  } else {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
  }
}
template <class T>
void StoreNumber(T value, std::byte* into) {
  std::memcpy(into, &value, sizeof(T));
}

// As a double, and the double nearest to what T can hold.
template <class T>
double AsDouble(T value) {
  if constexpr (std::is_same_v<T, Half>) {
    return DoubleFromHalf(value.bits);
  } else {
    return static_cast<double>(value);
  }
}
template <class T>
double RoundedTo(double value) {
  if constexpr (std::is_same_v<T, Half>) return DoubleFromHalf(HalfFromDouble(value));
  if constexpr (std::is_same_v<T, float>) return static_cast<double>(static_cast<float>(value));
  return value;
}

}  // namespace seamount::zarr
