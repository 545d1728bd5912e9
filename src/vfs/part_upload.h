// A big file on its way to the bucket while it is still being written: parts of it are uploaded at once, many at a
// time, as objects under reserved keys, and composed to the whole on the store's side when all is there.
//
// Bounded: the parts are read from the staged file, so what is held in memory is what is being sent, and no more than
// the upload threads send at once. Composing takes groups as soon as they are whole, so that the end of a long file
// costs no more than that of a short one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

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
  // Gives up what is under way, waits for it, and has what was uploaded removed in the background.
  ~PartUpload();
  PartUpload(const PartUpload&) = delete;
  PartUpload& operator=(const PartUpload&) = delete;

  // The first so many bytes of the file are final: begins to send what makes whole parts.
  void Offer(uint64_t bytes);
  // Sends the rest and makes the object. After a failure nothing of it is of use. Cancelled when stop is requested.
  Result<store::ObjectInfo> Finish(const std::string& key, uint64_t size_bytes, const store::WriteOptions& options,
                                   const CallContext& context);

 private:
  struct Piece {
    std::string key;
    std::optional<Result<store::ObjectInfo>> made;  // once it is there, or failed
  };

  void Send(uint64_t begin, uint64_t end);
  // Composes what was made of pieces `begin` to `end` into one, in the background.
  void Gather(size_t begin, size_t end);
  void GatherWhole();
  bool Made(size_t begin, size_t end) const;
  // Of what is made from `begin` on: the first error, if any.
  static Result<void> CheckMade(const std::vector<Piece>& pieces, size_t begin);
  static store::ComposeSource SourceOf(const Piece& piece);

  Store& store_;
  exec::ThreadPool& pool_;
  ReservedKeys& keys_;
  const int fd_;
  uint64_t sent_ = 0;
  std::stop_source stop_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  int running_ = 0;
  std::vector<Piece> parts_;   // in the file's order
  std::vector<Piece> groups_;  // of kMaxComposeSources parts each, the last of fewer
  size_t gathered_ = 0;        // parts that are in groups
};

}  // namespace seamount::vfs
