// A store in memory: the fake for tests above, and memory:// for small things.
#pragma once

#include <memory>

#include "store/store.h"

namespace seamount::store {

// Thread-safe.
std::unique_ptr<Store> MakeMemoryStore();

}  // namespace seamount::store
