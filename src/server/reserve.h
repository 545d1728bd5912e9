// Space that is kept on the disk for what frees space: a delete must write to the catalog's log first, and a start must
// open the catalog. The file <directory>/reserve takes the space up, also while no server runs; when the disk is full
// it gives back a part at a time, and it takes it up again once there is room.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "server/blob_store.h"

namespace seamount::server {

// Thread-safe.
class Reserve {
 public:
  static Result<std::unique_ptr<Reserve>> Open(const std::string& directory);
  // Gives a part of the space back to the file system; false when nothing is left in the reserve.
  bool Release();
  // Takes the space up again, as far as it is free.
  void Restore();

 private:
  Reserve(base::Fd file, uint64_t bytes) : file_(std::move(file)), bytes_(bytes) {}
  base::Fd file_;
  const uint64_t bytes_;
  std::mutex mutex_;
};

}  // namespace seamount::server
