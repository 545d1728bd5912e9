// Where bytes wait that were written and are not yet in the bucket.
#pragma once

#include <cstdint>
#include <string>

#include "vfs/private_folder.h"
#include "vfs/staged_record.h"

namespace seamount::vfs {

// A folder of nameless files: what is staged takes no name, so that it costs little and leaves nothing behind. What
// could not be uploaded is given one, below "kept"; what is being written for a while, by the journal. Thread-safe.
class StagingFolder {
 public:
  static constexpr const char* kKept = "kept";

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
  // A folder in it, made if it is not there.
  Outcome<base::Fd> Below(const std::string& name) const;
  const base::Fd& folder() const { return folder_; }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  base::Fd folder_;
};

}  // namespace seamount::vfs
