// Where bytes wait that were written and are not yet in the bucket.
#pragma once

#include <cstdint>
#include <string>

#include "vfs/private_folder.h"

namespace seamount::vfs {

// What is to be known of a staged file by whoever finishes its upload.
struct StagedRecord {
  std::string source;  // what is mounted: gs://bucket/prefix
  std::string key;
  std::string base_generation;  // of the object that writing began from; empty: there was none
  uint64_t size_bytes = 0;
  bool whole = true;  // false: ranges that were not written are zeros in the file, and the base's in truth
  std::string reason;
};

// A folder of nameless files: what is staged takes no name, so that nothing is left behind by a crash. Only what could
// not be uploaded is given one, below "kept". Thread-safe.
class StagingFolder {
 public:
  explicit StagingFolder(std::string path) : path_(std::move(path)) {}
  // Opens the folder, which must be ours alone (OpenPrivateFolder), and tries it out. Before all else.
  Outcome<void> Prepare();
  Outcome<base::Fd> Create();
  // Bytes that the folder's disk has room for.
  uint64_t Room() const;
  // ENOSPC unless so many bytes more fit on the folder's disk.
  Outcome<void> CheckRoom(uint64_t bytes) const;
  // Names the file after the object it was meant for and answers its path. Beside it, with ".json", lies the record.
  Outcome<std::string> Keep(const base::Fd& file, const StagedRecord& record);
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  base::Fd folder_;
};

}  // namespace seamount::vfs
