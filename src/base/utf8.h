// Well-formed UTF-8 (Unicode 15, table 3-7).
#pragma once

#include <cstddef>
#include <string_view>

namespace seamount::base {

// How many bytes the character at the front takes; 0 when it is malformed, or there is none.
size_t Utf8Length(std::string_view text);
bool IsUtf8(std::string_view text);

}  // namespace seamount::base
