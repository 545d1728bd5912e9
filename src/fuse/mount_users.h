// Who keeps a mount busy.
#pragma once

#include <string>
#include <vector>

namespace seamount::fuse {

// Programs that have something open below a path, or work in a folder there: "python3 (process 123)". A few of them at
// most, as far as /proc lets this user see.
std::vector<std::string> UsersOf(const std::string& path);

}  // namespace seamount::fuse
