// Checks the folder of a server that does not run: every object against its content on the disk, byte by byte. Mends
// what can be mended without losing anything; never deletes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace seamount::server {

struct FolderRepair {
  // Contents without checksums by block get them, where they are what the catalog says.
  bool seal = false;
  // Contents that the catalog does not know become objects of this bucket, which is made where missing: each named by
  // its id, and below unchecked/ where it has no checksums. Also where the catalog is lost: a new one is made. Empty:
  // they stay where they are.
  std::string restore_to;
};

struct FolderCheck {
  uint64_t objects = 0;
  uint64_t bytes = 0;
  uint64_t damaged = 0;      // objects whose content is damaged, cut or missing
  uint64_t unsealed = 0;     // contents of versions before format 3: checked as a whole, but without checksums by block
  uint64_t sealed = 0;       // of these, those that have them now
  uint64_t returning = 0;    // contents of objects that lie in quarantine/: the next start moves them back
  uint64_t unknown = 0;      // contents in blobs/ that the catalog does not know: the next start puts them aside
  uint64_t quarantined = 0;  // contents that were put aside
  uint64_t restored = 0;     // of these two, those that are objects now
};

// Changes nothing but what `repair` says. `say` gets a line for each fault, for each content that the catalog does not
// know, and for each that is an object now; `progress` is called with what was found so far. Can be run again after it
// failed or was killed, and then goes on.
// PreconditionFailed while a server runs on the folder; DataLoss where its catalog is lost and nothing is to be
// restored; NotFound where it is no server's.
Result<FolderCheck> CheckServedFolder(const std::string& directory, const FolderRepair& repair,
                                      const std::function<void(const std::string&)>& say,
                                      const std::function<Result<void>(const FolderCheck&)>& progress);

}  // namespace seamount::server
