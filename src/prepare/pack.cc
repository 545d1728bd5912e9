#include "prepare/pack.h"

#include <cmath>
#include <cstdio>

namespace seamount::prepare {
namespace {

std::string Shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

}  // namespace

Result<void> PackValues(const Pack& pack, std::span<const double> values, std::span<std::byte> into,
                        const std::string& array) {
  auto* stored = reinterpret_cast<int16_t*>(into.data());
  const double scale = pack.scale();
  const double offset = pack.offset();
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      stored[i] = Pack::kMissing;
      continue;
    }
    const double number = std::nearbyint((values[i] - offset) / scale);
    if (std::abs(number) > 32767) {
      return base::InvalidArgument("'" + array + "' has the value " + Shown(values[i]) + ", outside of 'pack: [" +
                                   Shown(pack.low) + ", " + Shown(pack.high) + "]': widen it, or clip the values");
    }
    stored[i] = static_cast<int16_t>(number);
  }
  return {};
}

}  // namespace seamount::prepare
