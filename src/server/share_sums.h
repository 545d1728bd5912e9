// Checksums of shared files, kept in a database of the server's own folder by which content a file had
// (share_folder.h): known once the content was read whole, in order, and until the file changes. A row for each file
// that ever was.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "server/share_folder.h"
#include "server/sqlite.h"

namespace seamount::server {

struct ContentSums {
  uint32_t crc32c = 0;
  std::string md5;  // base64
};

// Thread-safe.
class ShareSums {
 public:
  // Never fails: without its database, which the log then says, nothing is kept.
  static std::unique_ptr<ShareSums> Open(const std::string& path);

  std::optional<ContentSums> Find(const FileIdentity& file);
  void Keep(const FileIdentity& file, const ContentSums& sums);

 private:
  ShareSums() = default;
  Result<std::optional<ContentSums>> Select(const FileIdentity& file);
  Result<void> Replace(const FileIdentity& file, const ContentSums& sums);
  void GiveUp(const Error& error);

  std::mutex mutex_;
  std::unique_ptr<Connection> database_;  // null: nothing is kept
  std::atomic<bool> empty_ = true;
};

}  // namespace seamount::server
