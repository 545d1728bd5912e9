// The one place where errno becomes an error.
#pragma once

#include <string_view>

#include "base/result.h"

namespace seamount::base {

// "<doing>: <what errno says>". Total.
Error OsError(int error, std::string_view doing);
// "<doing> '<path>': <what errno says>".
Error OsError(int error, std::string_view doing, std::string_view path);

}  // namespace seamount::base
