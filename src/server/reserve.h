// Space that is kept on the disk for what frees space: a delete must write to the catalog's log first, and a start must
// open the catalog. The file <directory>/reserve takes the space up, also while no server runs; when the disk is full
// it is emptied, and it is made again once there is room.
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
  // Gives the space back to the file system; false when there is none in the reserve.
  bool Release();
  // Takes the space up again, where twice as much is free.
  void Restore();

 private:
  Reserve(FileDescriptor file, uint64_t bytes) : file_(std::move(file)), bytes_(bytes) {}
  FileDescriptor file_;
  const uint64_t bytes_;
  std::mutex mutex_;
};

}  // namespace seamount::server
