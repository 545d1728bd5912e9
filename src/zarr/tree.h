// Every array below a place, for readers that want to know what there is.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"
#include "zarr/metadata.h"

namespace seamount::zarr {

struct TreeArray {
  std::string path;  // below the place; "" is the place itself
  ArrayMetadata metadata;
  std::string trouble;  // why it cannot be read here, with nothing in `metadata`; empty: it can
};

struct Tree {
  std::string attributes_json = "{}";  // of the group
  std::vector<TreeArray> arrays;
  // Stands for the documents that were read, so that a changed one is noticed.
  std::string generation;
};

// From the consolidated metadata where there are any: one request for all, and the only way where the store cannot
// list. Else from the documents of every member, groups within included. NotFound when there is neither group nor
// array; PreconditionFailed when `seamount prepare` has not finished it.
Result<Tree> ReadTree(Store& store, const std::string& path, const CallContext& context);

}  // namespace seamount::zarr
