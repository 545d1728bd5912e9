// Saves a folder as a version: chunks that are not there are sent, many at a time, then the manifest is written.
#pragma once

#include <functional>
#include <string>

#include "store/store.h"
#include "versions/manifest.h"
#include "versions/repository.h"

namespace seamount::versions {

struct SaveOptions {
  std::string folder;
  std::string name;
  std::string message;
  int connections = 16;
  std::function<void(uint64_t bytes)> on_bytes = [](uint64_t) {};  // looked after; called from many threads
  base::Duration save_time = kSaveTime;
};

struct Saved {
  Manifest manifest;
  bool existed = false;  // this very version was there already
  uint64_t chunks = 0, sent_chunks = 0, sent_bytes = 0;
};

// When it returns the version is durable; before, nobody sees it. Killed, nothing is lost: the next save of the folder
// sends only what is not there yet. PreconditionFailed where the name is that of a version with another content, or a
// file changes meanwhile; Unavailable when it took longer than save_time. Holds 256 MiB of chunks,
// and what is read meanwhile.
Result<Saved> Save(Store& store, const SaveOptions& options, const CallContext& context);

}  // namespace seamount::versions
