// Checks the folder of a server that does not run: every object against its content on the disk, byte by byte.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace seamount::server {

struct FolderCheck {
  uint64_t objects = 0;
  uint64_t bytes = 0;
  uint64_t damaged = 0;      // objects whose content is damaged, cut or missing
  uint64_t unsealed = 0;     // of versions before format 3: checked as a whole, but without checksums by block
  uint64_t unknown = 0;      // contents in blobs/ that the catalog does not know: the next start puts them aside
  uint64_t quarantined = 0;  // contents that were put aside
};

// Changes nothing. `say` gets a line for each fault, `progress` the objects and bytes checked so far.
// PreconditionFailed while a server runs on the folder; DataLoss where its catalog is lost; NotFound where it is no
// server's.
Result<FolderCheck> CheckServedFolder(const std::string& directory, const std::function<void(const std::string&)>& say,
                                      const std::function<Result<void>(const FolderCheck&)>& progress);

}  // namespace seamount::server
