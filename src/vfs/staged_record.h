// Staged files that have a name, and what is written down beside them: NAME and NAME.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "vfs/fault.h"

namespace seamount::vfs {

// What is to be known of a staged file by whoever finishes its upload.
struct StagedRecord {
  std::string source;  // what is mounted: gs://bucket/prefix
  std::string key;
  std::string base_generation;         // of the object that writing began from; empty: there was none
  std::optional<uint64_t> size_bytes;  // nothing while it is being written: the file's own
  bool whole = true;  // false: ranges that were not written are zeros in the file, and the base's in truth
  std::string reason;
};

// One name of a local folder for a key, short enough to be given a suffix: "a/b c.nc" → "a_b c.nc".
std::string LocalName(std::string_view key);

// Writes NAME.json and answers it, so that it can be synced. EEXIST if it is there.
Outcome<base::Fd> WriteRecord(const base::Fd& folder, const std::string& name, const StagedRecord& record);

// Gives a nameless file a name: nothing on success. Where that cannot be (a disk without hard links, or without files
// that begin nameless) the name is a copy's, which is answered. EEXIST if something is there.
Outcome<std::optional<base::Fd>> GiveName(const base::Fd& file, const base::Fd& folder, const std::string& name);

}  // namespace seamount::vfs
