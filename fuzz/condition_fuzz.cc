// Conditions of IAM bindings: parsed, and evaluated where they are some.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/condition.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto condition = seamount::server::Condition::Parse({reinterpret_cast<const char*>(data), size});
  if (condition)
    (void)(*condition)->Holds({"projects/_/buckets/b/objects/o", "storage.googleapis.com/Object", "raw/", {}});
  return 0;
}
