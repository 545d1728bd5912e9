// What a file's name says of its content, for those who read the object by HTTP.
#pragma once

#include <string_view>

namespace seamount::vfs {

// By the extension, in any case; "application/octet-stream" where it says nothing.
std::string_view ContentTypeOf(std::string_view key);

}  // namespace seamount::vfs
