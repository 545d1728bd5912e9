// Writes a version, or a part of it, to a folder: chunks of many files at a time, each proven by its checksum.
#pragma once

#include <functional>
#include <string>

#include "store/store.h"
#include "versions/manifest.h"

namespace seamount::versions {

struct RestoreOptions {
  std::string folder;  // made if need be
  std::string path;    // of one file or folder of the version; empty: all of it
  bool overwrite = false;
  int connections = 16;
  std::function<void(uint64_t bytes)> on_bytes = [](uint64_t) {};  // that are in place; called from many threads
};

struct Restored {
  uint64_t files = 0, kept_files = 0;  // all; of these there already
  uint64_t bytes = 0, fetched_bytes = 0;
};

// The part of a version that `path` names (empty: all). NotFound says what there is.
Result<Manifest> PartOf(const Manifest& manifest, const std::string& path);

// A file appears under its name when it is whole and durable. What is there with the same content stays; with another,
// it is PreconditionFailed before anything is fetched, or with `overwrite` replaced. Other files in the folder are left
// alone. Killed, the next run goes on: chunks that are there are checked, not fetched. Two that restore to one folder
// follow one another. DataLoss names a file whose chunk is missing or is not what was saved.
Result<Restored> Restore(Store& store, const Manifest& manifest, const RestoreOptions& options,
                         const CallContext& context);

}  // namespace seamount::versions
