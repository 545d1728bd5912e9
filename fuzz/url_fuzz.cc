// URLs and request targets: what parses must be written and parse again to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "net/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::net;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto url = ParseUrl(text)) {
    const auto again = ParseUrl(url->ToString());
    if (!again || again->ToString() != url->ToString() || again->Origin() != url->Origin()) std::abort();
  }
  if (const auto target = ParseTarget(text)) {
    const auto again = ParseTarget("/?" + JoinQuery(target->query));
    if (!again || again->query != target->query) std::abort();
    static_cast<void>(target->Segments());
  }
  return 0;
}
