// What the elements of an array are: numbers, as nd knows them, or one of the other types of NumPy and Zarr. The one
// place that knows their sizes, byte order and names; what they look like as fill values is in fill_value.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "nd/data_type.h"
#include "zarr/codecs/json.h"

namespace seamount::zarr {

enum class ElementKind {
  kNumber,
  kBFloat16,
  kDatetime,   // int64 of `per` `unit`s since 1970; the smallest is NaT
  kTimedelta,  // the same, as a length
  kText,       // UTF-32 code points, padded with zeros: NumPy's "U"
  kBytes,      // bytes padded with zeros: NumPy's "S"
  kRaw,        // bytes: NumPy's "V"
  // Of variable length; in memory a std::string_view (codecs/variable_length.h).
  kString,  // UTF-8
  kByteString,
};

// An element, or one field of it.
struct ScalarType {
  ElementKind kind = ElementKind::kNumber;
  nd::DataType number = nd::DataType::kOther;  // where the kind is kNumber
  uint64_t size = 0;                           // in bytes
  std::string unit{};                          // of times: "ns"; "generic" for none
  int per = 1;

  bool variable() const { return kind == ElementKind::kString || kind == ElementKind::kByteString; }
  size_t word() const;  // what a byte swap swaps; 1 where there is no byte order
  bool operator==(const ScalarType&) const = default;
};

struct ElementField {
  std::string name;
  uint64_t offset = 0;  // in bytes, within the element
  ScalarType type;
  bool operator==(const ElementField&) const = default;
};

struct ElementType : ScalarType {
  std::vector<ElementField> fields{};  // of structured elements, whose kind is kRaw

  ElementType() = default;
  ElementType(nd::DataType type);  // NOLINT(google-explicit-constructor): a number is an element
  bool operator==(const ElementType&) const = default;
};

inline constexpr uint64_t kMaxElementBytes = uint64_t{1} << 20;

// Empty where elements are of variable length, whose fill value is its bytes.
Bytes ZeroElement(const ElementType& type);
bool HasByteOrder(const ElementType& type);
// Reverses the bytes of every word of the dense elements, in place.
void SwapElements(const ElementType& type, std::span<std::byte> elements);

// NumPy's codes without byte order: "f4". Real and complex numbers and booleans.
std::optional<nd::DataType> NumberFromCode(std::string_view code);

// Text or bytes of variable length.
ElementType VariableElement(ElementKind kind);

// Format 2: a code as "<M8[ns]", or a list of fields. Objects ("|O") are what their filter makes them: not here.
// InvalidArgument for what is not supported. big_endian: of all of it.
Result<ElementType> ElementFromV2(const Json& dtype, bool& big_endian);
Json ElementToV2(const ElementType& type, bool big_endian);  // also what numpy.dtype takes
// Format 3: a name, or one with a configuration.
Result<ElementType> ElementFromV3(const Json& data_type);
Json ElementToV3(const ElementType& type);
std::string NameOf(const ElementType& type);  // for messages

}  // namespace seamount::zarr
