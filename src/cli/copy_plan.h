// What `cp` will do, before it is done: each object or file with its new name, and what need not be moved because it is
// there already.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/place.h"
#include "cli/transfer.h"

namespace seamount::cli {

// One of the three lists is filled, by which side is a bucket.
struct CopyPlan {
  std::vector<Upload> uploads;
  std::vector<Download> downloads;
  std::vector<Transfer> transfers;
  std::vector<std::string> folders;  // to be made first
  std::vector<std::string> skipped;  // with the reason
  uint64_t bytes = 0;
  uint64_t kept = 0;  // are there already, with the same content
};

// The name of SOURCE at DEST: below it where DEST is a folder, else DEST itself.
std::string TargetOf(const Place& source, const Place& dest, bool dest_is_folder);

// Files of a folder, or one file. With `recursive`, what is there in the bucket with the same checksum is kept.
Result<CopyPlan> PlanUpload(const Place& source, Store& to, const std::string& target, bool recursive,
                            const CallContext& context);
// InvalidArgument names the first key that cannot be a file's name.
Result<CopyPlan> PlanDownload(Store& from, const Place& source, const std::string& target, bool recursive,
                              const CallContext& context);
Result<CopyPlan> PlanTransfer(Store& from, const Place& source, Store& to, const std::string& target, bool recursive,
                              const CallContext& context);

}  // namespace seamount::cli
