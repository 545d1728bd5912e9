#include "cf/decode.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

namespace seamount::cf {
namespace {

template <class Stored, class Out>
void DecodeAs(const std::byte* from, const Packing& packing, std::span<Out> into) {
  const auto load = [&](size_t i) {
    Stored value;
    std::memcpy(&value, from + i * sizeof value, sizeof value);
    return value;
  };
  if (packing.identity(packing.type)) {
    for (size_t i = 0; i < into.size(); ++i) into[i] = static_cast<Out>(load(i));
    return;
  }
  constexpr Out kNan = std::numeric_limits<Out>::quiet_NaN();
  const double low = packing.valid_min.value_or(-std::numeric_limits<double>::infinity());
  const double high = packing.valid_max.value_or(std::numeric_limits<double>::infinity());
  // Two missing values are the rule; NaN compares unequal to everything and so stands for "none".
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double first = !packing.missing.empty() ? packing.missing[0] : nan;
  const double second = packing.missing.size() > 1 ? packing.missing[1] : first;
  const bool more = packing.missing.size() > 2;
  const bool scales = packing.scales();
  for (size_t i = 0; i < into.size(); ++i) {
    const auto value = static_cast<double>(load(i));
    bool keep = value >= low && value <= high && value != first && value != second;
    if (more && keep) {
      keep = std::find(packing.missing.begin(), packing.missing.end(), value) == packing.missing.end();
    }
    const double scaled = scales ? value * packing.scale + packing.offset : value;
    into[i] = keep ? static_cast<Out>(scaled) : kNan;
  }
}

template <class Out>
void DecodeAny(std::span<const std::byte> stored, const Packing& packing, std::span<Out> into) {
  const std::byte* from = stored.data();
  switch (packing.type) {
    case nd::DataType::kInt8: return DecodeAs<int8_t>(from, packing, into);
    case nd::DataType::kBool:
    case nd::DataType::kChar:
    case nd::DataType::kUInt8: return DecodeAs<uint8_t>(from, packing, into);
    case nd::DataType::kInt16: return DecodeAs<int16_t>(from, packing, into);
    case nd::DataType::kUInt16: return DecodeAs<uint16_t>(from, packing, into);
    case nd::DataType::kInt32: return DecodeAs<int32_t>(from, packing, into);
    case nd::DataType::kUInt32: return DecodeAs<uint32_t>(from, packing, into);
    case nd::DataType::kInt64: return DecodeAs<int64_t>(from, packing, into);
    case nd::DataType::kUInt64: return DecodeAs<uint64_t>(from, packing, into);
    case nd::DataType::kFloat32: return DecodeAs<float>(from, packing, into);
    case nd::DataType::kFloat64: return DecodeAs<double>(from, packing, into);
    case nd::DataType::kFloat16:
    case nd::DataType::kComplex64:
    case nd::DataType::kComplex128:
    case nd::DataType::kOther: return;
  }
}

}  // namespace

nd::DataType DecodedType(nd::DataType stored) {
  return stored == nd::DataType::kFloat32 || nd::SizeOf(stored) <= 2 ? nd::DataType::kFloat32 : nd::DataType::kFloat64;
}

void Decode(std::span<const std::byte> stored, const Packing& packing, std::span<float> into) {
  DecodeAny(stored, packing, into);
}

void Decode(std::span<const std::byte> stored, const Packing& packing, std::span<double> into) {
  DecodeAny(stored, packing, into);
}

}  // namespace seamount::cf
