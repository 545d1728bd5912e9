#include "vfs/names.h"

#include <cerrno>

namespace seamount::vfs {

bool IsUtf8(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    const unsigned char lead = at(i);
    const size_t more = lead < 0x80                   ? 0
                        : lead >= 0xC2 && lead < 0xE0 ? 1
                        : lead >= 0xE0 && lead < 0xF0 ? 2
                        : lead >= 0xF0 && lead < 0xF5 ? 3
                                                      : 4;
    if (more == 4 || i + more >= text.size()) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((at(i + k) & 0xC0) != 0x80) return false;
    }
    if (more > 1) {
      const unsigned char second = at(i + 1);
      if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
          (lead == 0xF4 && second > 0x8F)) {
        return false;
      }
    }
    i += more + 1;
  }
  return true;
}

bool IsShowable(std::string_view component) {
  return !component.empty() && component != "." && component != ".." && component.size() <= kMaxNameBytes;
}

Outcome<void> CheckNewName(std::string_view name) {
  if (name.size() > kMaxNameBytes) return Fault{ENAMETOOLONG, "a name may hold 255 bytes"};
  if (!IsShowable(name)) return Fault{EINVAL, "not a name for a file"};
  if (name.find_first_of("\r\n") != std::string_view::npos) {
    return Fault{EINVAL, "object keys cannot hold a line break"};
  }
  if (!IsUtf8(name)) return Fault{EILSEQ, "object keys must be UTF-8"};
  return {};
}

std::string_view WithoutMark(std::string_view name) {
  if (name.ends_with(kHiddenObjectMark)) name.remove_suffix(1);
  return name;
}

}  // namespace seamount::vfs
