// A big file on its way to the bucket while it is still being written: parts of it are uploaded at once, many at a
// time, as objects under reserved keys, and composed to the whole on the store's side when all is there.
//
// One upload does not stand in another's way: each has a part in the pool's queue for each of its threads at most, and
// the next one is queued when one is done. The first part that fails ends the whole.
//
// Bounded: the parts are read from the staged file, so what is held in memory is what is being sent, and no more than
// the upload threads send at once. Composing takes groups as soon as they are whole, so that the end of a long file
// costs no more than that of a short one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "exec/thread_pool.h"
#include "store/store.h"
#include "vfs/reserved_keys.h"

namespace seamount::vfs {

// Not thread-safe: for whoever holds the inode's commit lock.
class PartUpload {
 public:
  // From this size on the file is sent in parts. Below, a second round trip for composing costs more than it brings.
  static constexpr uint64_t kWorthFrom = 32 << 20;

  // All must outlive it; fd too.
  PartUpload(Store& store, exec::ThreadPool& pool, ReservedKeys& keys, int fd);
  // Gives up what is under way, waits for what has begun, and has what was uploaded removed in the background.
  ~PartUpload();
  PartUpload(const PartUpload&) = delete;
  PartUpload& operator=(const PartUpload&) = delete;

  // The first so many bytes of the file are final: begins to send what makes whole parts.
  void Offer(uint64_t bytes);
  // Sends the rest and makes the object. After a failure, which comes with the first part that fails, nothing of it is
  // of use. Cancelled when stop is requested.
  Result<store::ObjectInfo> Finish(const std::string& key, uint64_t size_bytes, const store::WriteOptions& options,
                                   const CallContext& context);

 private:
  class Work;
  // Tasks that wait in the pool hold it too: one that begins after all was given up finds nothing to do.
  const std::shared_ptr<Work> work_;
  uint64_t sent_ = 0;
};

}  // namespace seamount::vfs
