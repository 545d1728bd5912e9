// A store in which no object changes under its reader.
#pragma once

#include <memory>

#include "store/store.h"

namespace seamount::store {

// The first Read, Stat or List that sees a key records its generation; from then on it is read at that generation, and
// once another writer has replaced or deleted it, Read and Stat are PreconditionFailed. Absence is not recorded. What
// is written through this store is seen through it, and recorded anew. List shows the bucket as it is now.
// Thread-safe. Holds the generation of each key ever seen; calls that write exclude all others.
std::shared_ptr<Store> MakePinnedStore(std::shared_ptr<Store> inner);

}  // namespace seamount::store
