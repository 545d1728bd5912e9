// Deletes what the catalog says is garbage: the files go first, then the rows that name them, so that a crash in
// between leaves a row whose file is gone and never a file without a row. In the background, shortly after garbage was
// made.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/result.h"
#include "server/blob_store.h"
#include "server/catalog.h"
#include "server/reserve.h"

namespace seamount::server {

// Thread-safe.
class Collector {
 public:
  Collector(Catalog& catalog, BlobStore& blobs, Reserve& reserve)
      : catalog_(catalog), blobs_(blobs), reserve_(reserve) {}
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Deletes all there is now; how many files.
  Result<uint64_t> Collect();
  // From now on in the background, until this is destroyed.
  void Start();
  // There is garbage.
  void Nudge();

 private:
  void Loop(std::stop_token stop);

  Catalog& catalog_;
  BlobStore& blobs_;
  Reserve& reserve_;
  std::mutex collecting_;
  std::mutex mutex_;
  std::condition_variable_any nudged_;
  bool garbage_ = false;
  std::jthread thread_;  // last: ends first
};

}  // namespace seamount::server
