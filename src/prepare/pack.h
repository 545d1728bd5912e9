// Values as whole numbers of 16 bits, as CF writes them: value = stored * scale + offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace seamount::prepare {

struct Pack {
  double low = 0;  // the range that the recipe names
  double high = 0;

  static constexpr int16_t kMissing = -32768;
  double scale() const { return (high - low) / 65534; }
  double offset() const { return low + (high - low) / 2; }
  // How far what is read may lie from what was written.
  double error() const { return scale() / 2; }
};

// `into` takes an int16_t for each value, kMissing for NaN. InvalidArgument names `array` where a value lies outside
// the range.
Result<void> PackValues(const Pack& pack, std::span<const double> values, std::span<std::byte> into,
                        const std::string& array);

}  // namespace seamount::prepare
