#include "zarr/codecs/half.h"

#include <cmath>
#include <limits>

namespace seamount::zarr {

uint16_t HalfFromDouble(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return sign | 0x7e00;
  const double magnitude = std::abs(value);
  constexpr double kTooLarge = 65520;  // halfway between the largest half and the next power of two
  if (magnitude >= kTooLarge) return sign | 0x7c00;
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  exponent -= 1;  // magnitude = 1.xxx · 2^exponent
  if (magnitude == 0 || exponent < -14) {
    return sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24)));  // subnormal; 1024 is 2^-14
  }
  const auto mantissa = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));  // 1024..2048
  return static_cast<uint16_t>(sign | (((exponent + 15) << 10) + (mantissa - 1024)));
}

double DoubleFromHalf(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
  if (exponent == 31) magnitude = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace seamount::zarr
