// What a mount did, for people and benchmarks.
#pragma once

#include <atomic>
#include <cstdint>

namespace seamount::vfs {

struct Stats {
  std::atomic<uint64_t> reads = 0;               // read calls of the kernel
  std::atomic<uint64_t> read_bytes = 0;          // handed to the kernel
  std::atomic<uint64_t> read_waits = 0;          // reads that had to wait for the store
  std::atomic<uint64_t> fetches = 0;             // ranges asked of the store
  std::atomic<uint64_t> fetched_bytes = 0;       // bytes the store gave
  std::atomic<uint64_t> ahead_unused_bytes = 0;  // fetched ahead and dropped unread
  std::atomic<uint64_t> writes = 0;              // write calls of the kernel
  std::atomic<uint64_t> written_bytes = 0;
  std::atomic<uint64_t> uploads = 0;  // contents made durable in the bucket
  std::atomic<uint64_t> uploaded_bytes = 0;
  std::atomic<uint64_t> failed_uploads = 0;
};

}  // namespace seamount::vfs
