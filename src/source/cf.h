// CF decoding: from numbers as stored to physical values, where missing ones are NaN.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "source/dataset.h"

namespace seamount::source {

// What a variable's attributes say about its stored numbers. Comparisons are made on stored values, before scaling.
struct Packing {
  std::vector<double> missing;  // _FillValue and missing_value
  std::optional<double> valid_min;
  std::optional<double> valid_max;
  double scale = 1;
  double offset = 0;
  bool is_unsigned = false;  // _Unsigned = "true" on a signed type

  bool scales() const { return scale != 1 || offset != 0; }
  // Decoding changes nothing but the type.
  bool identity() const { return missing.empty() && !valid_min && !valid_max && !scales() && !is_unsigned; }
};

// InvalidArgument where an attribute has no numbers or too few.
Result<Packing> PackingOf(const Variable& variable);

// float32 for float32 and integers of at most 16 bits, float64 for the rest: exact for every unscaled value.
DataType DecodedType(DataType stored);

// One physical value per stored element; sizes must match (stored.size() == into.size() * SizeOf(type)).
void Decode(std::span<const std::byte> stored, DataType type, const Packing& packing, std::span<float> into);
void Decode(std::span<const std::byte> stored, DataType type, const Packing& packing, std::span<double> into);

// ReadBox and Decode, for what is small enough to read at once: coordinates.
Result<std::vector<double>> ReadDecoded(const Dataset& dataset, size_t variable, const Box& box);
Result<std::vector<double>> ReadDecoded(const Dataset& dataset, size_t variable);

// What a coordinate measures, by its units, axis, standard_name and, last, its name.
enum class Axis { kLatitude, kLongitude, kTime, kOther };
Axis AxisOf(const Variable& coordinate);

}  // namespace seamount::source
