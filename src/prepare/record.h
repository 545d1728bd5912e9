// The record beside the data: which arrays a prepare has written or begun to, and which of their regions are done.
//
// It is what makes a run go on after a kill, and the only ground on which anything is ever deleted: an object that no
// record names is not ours.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "prepare/region_missing.h"
#include "zarr/metadata.h"
#include "zarr/whole_group.h"

namespace seamount::prepare {

inline constexpr const char* kRecordKey = zarr::kPrepareRecord;

// The objects of one array: its documents and the chunks (or shards) of its grid.
struct OwnedArray {
  std::string name;
  int format = 3;
  char separator = '/';           // in the keys of chunks
  std::vector<uint64_t> objects;  // along every dimension
  std::vector<uint64_t> chunk;
  std::optional<std::vector<uint64_t>> shard;

  bool Owns(std::string_view key) const;
  uint64_t Objects() const;  // of the grid
  // Which object of the grid a key is, in C order; nullopt for documents and all that is not of it.
  std::optional<uint64_t> ObjectOf(std::string_view key) const;
  bool operator==(const OwnedArray&) const = default;
};
OwnedArray OwnedOf(const std::string& name, const zarr::ArrayMetadata& metadata);

struct Record {
  std::string plan;       // fingerprint
  std::string minibatch;  // as Plan::minibatch; empty: of a version that did not note it
  bool complete = false;
  std::vector<OwnedArray> arrays;    // of this plan
  std::vector<OwnedArray> replaced;  // of plans before, whose objects may lie there until the run is complete
  std::set<std::string> done;        // fingerprints of tasks, and of statistics that lie in the output
  MissingByTask missing;             // of tasks that are done
  bool counted = true;               // whether that is known of all of them: earlier versions did not note it
};
std::string RecordJson(const Record& record);
// DataLoss for what is no record, InvalidArgument for one of another version. Any bytes are safe input.
Result<Record> ParseRecord(std::string_view json);

}  // namespace seamount::prepare
