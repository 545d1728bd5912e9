// Removing versions, and freeing what none needs any more. A removal frees nothing at once: a save that is under way
// may build on the same chunks (docs/decisions/101).
#pragma once

#include <string>
#include <vector>

#include "store/store.h"
#include "versions/manifest.h"
#include "versions/repository.h"

namespace seamount::versions {

// Bytes of chunks that `name` alone needs.
uint64_t BytesOfItsOwn(const std::vector<StoredVersion>& versions, const std::string& name);

// The version is gone for everybody when this returns; its manifest lies below removed/ until its chunks are freed.
// Broken off, it is repeated. NotFound without such a version, PreconditionFailed where a tag means it.
Result<void> RemoveVersion(Store& store, const std::string& name, const CallContext& context);

struct Freed {
  uint64_t chunks = 0, bytes = 0;
  uint64_t waiting_bytes = 0;  // needed by no version, and not for long enough to be freed
};
// Deletes chunks that no version has needed for twice save_time, and nothing else but its own records: an object that
// is no chunk by its name, or was written anew meanwhile, is left alone. A manifest that cannot be read is an error,
// before anything is deleted.
Result<Freed> FreeUnneeded(Store& store, base::Duration save_time, const CallContext& context);

}  // namespace seamount::versions
