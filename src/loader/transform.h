// From stored numbers to float32 in one pass: mask, unpack, normalise, cast, copy.
//
// value = (stored - shift) * factor, where shift and factor fold CF unpacking (stored * scale_factor + add_offset) and
// normalisation ((x - mean) / std) into one. Stored numbers equal to a missing value become NaN.
//
// Bit-identical on every machine: types that float32 holds exactly subtract shift in two float parts (high, then the
// rest), which is as exact as double near the mean at twice the speed; there is no sum of a product that a compiler
// could contract to a fused operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "nd/data_type.h"

namespace seamount::loader {

struct Transform {
  double shift = 0;
  double factor = 1;
  std::vector<double> missing;      // in stored numbers
  std::optional<double> valid_min;  // likewise; what lies outside is missing too
  std::optional<double> valid_max;
  bool masks() const { return !missing.empty() || valid_min || valid_max; }
  bool identity() const { return shift == 0 && factor == 1 && !masks(); }
};

// Whether the loader reads this type: every real one; complex numbers have no order in a float32 tensor.
bool IsReal(nd::DataType type);

// Reads `count` elements of `type` from `from`, `stride` elements apart, and writes them densely.
void TransformRun(nd::DataType type, const Transform& transform, const std::byte* from, size_t stride, float* to,
                  size_t count);
// The same in double precision, for values such as time stamps.
void TransformRun(nd::DataType type, const Transform& transform, const std::byte* from, size_t stride, double* to,
                  size_t count);

// Where what is written goes. Past the caches it costs a third, as the processor need not read what it overwrites; but
// whoever reads it soon waits for memory. For tensors that would not stay in the cache anyway.
enum class Written { kIntoCache, kPastCache };

// Whether a value of such an array can be missing at all.
bool CanBeMissing(nd::DataType type, const Transform& transform);

// Whether integers of that type are in `to` the same numbers: as they are stored, without unpacking, and with the marks
// of missing values among them.
bool KeepsIntegers(nd::DataType type, const Transform& transform, nd::DataType to);

// Where a box goes in a tensor, and what becomes of missing values there.
struct Target {
  nd::DataType dtype = nd::DataType::kFloat32;  // or kFloat64, kFloat16; or an integer, for KeepsIntegers
  bool bfloat16 = false;                        // of the two kinds of 16 bits the one with float32's range
  std::byte* data = nullptr;
  uint8_t* mask = nullptr;     // one for each element, beside: 1 where it is missing, else 0; null: none
  std::optional<double> fill;  // instead of NaN
  Written written = Written::kIntoCache;
  bool may_be_missing = true;  // false: nothing is looked for
};

// A box of a chunk: nested loops with a dense innermost run.
struct CopyLoop {
  uint64_t count = 0;
  uint64_t from_stride = 0;  // in elements
  uint64_t to_stride = 0;
};
// Outermost first; the last loop's to_stride must be 1. Returns whether a value was missing.
bool TransformBox(nd::DataType type, const Transform& transform, const std::byte* from, const Target& target,
                  std::span<const CopyLoop> loops);

}  // namespace seamount::loader
