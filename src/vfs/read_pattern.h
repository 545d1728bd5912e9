// Which bytes of one file will be asked for next, judged from the reads so far. Pure: no I/O, no clock, no threads.
//
// Reads of all handles of a file go through one ReadPattern, because the kernel's own read-ahead, several threads of a
// program and several handles all mix their requests, and what matters is which places of the file are being walked.
//
// - A *stream* is a place being walked forward. A read makes one of an earlier read when it begins exactly where that
//   ended, and belongs to it from then on when it begins near where it is: no farther than it has walked, and no more
//   than 2 MiB (parallel requests arrive out of order). Up to kMaxStreams are kept, the least recently used is
//   forgotten.
// - A stream's *window* is how far beyond the reader is fetched ahead. It is never longer than twice what was already
//   read in sequence, until the reader waits: each wait doubles it, up to the cap (the budget's share). So a header
//   peek costs little, a scan is at full width after a few round trips, and a reader slower than the network keeps a
//   small window for ever.
// - Windows are cut into *parts*, one request each. Parts grow with the window, so that about kPartsPerWindow requests
//   are in flight whatever the window: many short requests while latency dominates, longer ones once bandwidth does.
// - Reads that belong to no stream and follow each other at one distance are *strided* (also backwards): the next few
//   at that distance are fetched ahead, exactly as long as they are asked for.
// - Anything else is random: nothing is fetched ahead.
#pragma once

#include <cstdint>
#include <vector>

#include "vfs/extents.h"

namespace seamount::vfs {

class ReadPattern {
 public:
  explicit ReadPattern(uint64_t file_size) : size_(file_size) {}

  struct Advice {
    std::vector<Extent> ahead;  // to fetch, in order of need, each one request; what is there already may be included
    uint64_t keep_behind = 0;   // data of this stream that ends before is no longer wanted…
    uint64_t stream_begin = 0;  // …from here on
    bool sequential = false;
  };

  // A read of [offset, offset + length). cap_bytes bounds the window.
  Advice OnRead(uint64_t offset, uint64_t length, uint64_t cap_bytes);
  // That read has to wait for bytes on their way (or not even asked for): widens the window it belongs to.
  Advice OnWait(uint64_t offset, uint64_t length, uint64_t cap_bytes);
  // The places that will not be read again soon: data outside all windows may be dropped.
  std::vector<Extent> Windows() const;

 private:
  struct Stream {
    uint64_t begin = 0;    // where it started
    uint64_t next = 0;     // one past the furthest byte asked for
    uint64_t window = 0;   // bytes ahead of next; 0 until a second read confirms the stream
    uint64_t used_at = 0;  // for forgetting the least recently used
  };
  struct Stride {
    uint64_t last_offset = 0;
    uint64_t last_length = 0;
    int64_t distance = 0;
    int repeats = 0;
    uint64_t depth = 0;
  };

  Stream* Match(uint64_t offset);
  Stream& Begin(uint64_t offset, uint64_t length);
  Advice Ahead(const Stream& stream) const;
  Advice OnStride(uint64_t offset, uint64_t length, uint64_t cap_bytes);
  std::vector<Extent> StrideAhead(uint64_t offset, uint64_t length) const;

  const uint64_t size_;
  uint64_t reads_ = 0;
  std::vector<Stream> streams_;
  Stride stride_;
};

}  // namespace seamount::vfs
