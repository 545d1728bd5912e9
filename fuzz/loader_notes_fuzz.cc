// What prepare notes in attributes: any text is safe, and what is taken has its form.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "loader/notes.h"

namespace {

void CheckOrder(const std::vector<seamount::loader::Interval>& stretches) {
  uint64_t end = 0;
  for (const auto& stretch : stretches) {
    if (stretch.begin < end || stretch.end < stretch.begin) std::abort();
    end = stretch.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto group = seamount::loader::ParseGroupNotes(text);
  if (group) {
    CheckOrder(group->segments);
    for (const auto& [name, split] : group->splits) {
      if (split.empty()) std::abort();
      CheckOrder(split);
    }
  }
  (void)seamount::loader::ParseArrayNotes(text);
  return 0;
}
