// Times as text: RFC 3339, and as HTTP writes dates.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace seamount::base {

// In UTC: "2026-01-31T12:00:00.123456Z" with six fraction digits (0 to 9; 0: without a point).
std::string FormatRfc3339(SystemTime time, int fraction_digits);
// Takes any fraction and offset that RFC 3339 allows, of the years 1678 to 2261. Nothing where it is none.
std::optional<SystemTime> ParseRfc3339(std::string_view text);

// "Sat, 31 Jan 2026 12:00:00 GMT" (RFC 9110).
std::string HttpDate(SystemTime time);
// Of that form alone; nothing where it is none.
std::optional<SystemTime> ParseHttpDate(std::string_view text);

}  // namespace seamount::base
