// The part of a store below a prefix, as a store of its own.
#pragma once

#include <memory>
#include <string>

#include "store/store.h"

namespace seamount::store {

// Key k is key prefix + k of `inner`; prefix usually ends with '/'. An object named exactly as the prefix (a folder's
// placeholder) is not part of it. Keys may be so much shorter than 1024 bytes as the prefix is long. Errors name the
// whole key. Thread-safe.
std::shared_ptr<Store> MakePrefixStore(std::shared_ptr<Store> inner, std::string prefix);

}  // namespace seamount::store
