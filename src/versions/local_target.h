// Files of a version at the place where they are restored to.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "versions/manifest.h"

namespace seamount::versions {

// What is at the place of a file or link. InvalidArgument where a file or a link is in the place of a folder, or a
// folder in theirs. A file with the same content becomes executable, or ceases to be.
enum class Found { kNothing, kSame, kOther };
Result<Found> LookForFile(const std::string& root, const File& file, const CallContext& context);
Result<Found> LookForLink(const std::string& root, const Link& link);
// In the place of what is there.
Result<void> MakeLink(const std::string& root, const Link& link);

// The folder of what has not all its bytes yet, for one restore at a time. Removed with it, if nothing is left in it.
class Unfinished {
 public:
  // Waits while another restores to the folder.
  static Result<Unfinished> Enter(const std::string& root, const CallContext& context);
  Unfinished(Unfinished&&) = default;
  Unfinished& operator=(Unfinished&&) = delete;
  ~Unfinished();
  const std::string& folder() const { return folder_; }

 private:
  Unfinished(std::string folder, base::Fd lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}
  std::string folder_;
  base::Fd lock_;
};

// A file that is being written; it gets its name with its last chunk. Thread-safe.
class NewFile {
 public:
  NewFile(const std::string& root, const Unfinished& unfinished, const File& file);
  // Whether the chunk is there from a run before.
  Result<bool> Has(const Chunk& chunk, uint64_t offset);
  Result<void> Put(uint64_t offset, const Bytes& data);
  // One chunk more is in place: Put, or there before. Of a file without chunks: once.
  Result<void> Done();

 private:
  Result<int> Open();
  Result<void> Finish();

  const std::string path_, temporary_;
  const File& file_;
  std::mutex mutex_;
  base::Fd fd_;
  bool fresh_ = false;  // nothing of a run before
  std::atomic<size_t> left_;
};

}  // namespace seamount::versions
