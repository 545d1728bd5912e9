// What prepare notes in attributes: any text is safe, and what is taken has its form.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "loader/notes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto group = seamount::loader::ParseGroupNotes(text);
  if (group) {
    uint64_t end = 0;
    for (const auto& segment : group->segments) {
      if (segment.begin < end || segment.end < segment.begin) std::abort();
      end = segment.end;
    }
    for (const auto& [name, split] : group->splits) {
      if (split.end < split.begin) std::abort();
    }
  }
  (void)seamount::loader::ParseArrayNotes(text);
  return 0;
}
