// CF time units and dates: "UNIT since DATE", then a calendar on the second line.
#include <string_view>

#include "cf/calendar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::cf;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), text.size());
  const auto units = TimeUnits::Parse(text.substr(0, line), text.substr(std::min(line + 1, text.size())));
  if (units) {
    for (const double value : {0.0, 1.5, -1e6, 1e9, 1e18}) {
      if (const auto moment = units->ToMoment(value)) {
        if (MomentOf(units->calendar(), DateOf(units->calendar(), *moment)) != *moment) __builtin_trap();
      }
    }
  }
  (void)ParseDate(Calendar::kStandard, text).has_value();
  return 0;
}
