// Where bytes wait that were written and are not yet in the bucket.
#pragma once

#include <string>
#include <string_view>

#include "vfs/private_folder.h"

namespace seamount::vfs {

// A folder of nameless files: what is staged takes no name, so that nothing is left behind by a crash. Only what could
// not be uploaded is given one, below "kept". Thread-safe.
class StagingFolder {
 public:
  explicit StagingFolder(std::string path) : path_(std::move(path)) {}
  // Opens the folder, which must be ours alone (OpenPrivateFolder), and tries it out. Before all else.
  Outcome<void> Prepare();
  Outcome<StagingFd> Create();
  // Names the file after the object it was meant for and answers its path.
  Outcome<std::string> Keep(const StagingFd& file, std::string_view key);
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  StagingFd folder_;
};

}  // namespace seamount::vfs
