#include "vfs/names.h"

#include <cerrno>

#include "base/utf8.h"

namespace seamount::vfs {

bool IsShowable(std::string_view component) {
  return !component.empty() && component != "." && component != ".." && component.size() <= kMaxNameBytes;
}

Outcome<void> CheckNewName(std::string_view name) {
  if (name.size() > kMaxNameBytes) return Fault{ENAMETOOLONG, "a name may hold 255 bytes"};
  if (!IsShowable(name)) return Fault{EINVAL, "not a name for a file"};
  if (name.find_first_of("\r\n") != std::string_view::npos) {
    return Fault{EINVAL, "object keys cannot hold a line break"};
  }
  if (!base::IsUtf8(name)) return Fault{EILSEQ, "object keys must be UTF-8"};
  return {};
}

std::string_view WithoutMark(std::string_view name) {
  if (name.ends_with(kHiddenObjectMark)) name.remove_suffix(1);
  return name;
}

}  // namespace seamount::vfs
