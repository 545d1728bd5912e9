// The objects that a URL of a bucket names: what cat prints, rm deletes and cp copies.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/place.h"
#include "store/store.h"

namespace seamount::cli {

// What a command takes where a name is a folder.
enum class Folders {
  kRefused,   // it works on single objects
  kNotAsked,  // all that lies below, with -r, which was not said
  kTaken,
};

// The objects that a place names: the one of that key, or with kTaken all below it as a folder. NotFound and
// InvalidArgument say which of the two there is instead, and how it would be had.
Result<std::vector<store::ObjectInfo>> ObjectsOf(Store& store, const Place& place, Folders folders,
                                                 const CallContext& context);

struct FoundObjects {
  std::shared_ptr<Store> store;
  std::vector<store::ObjectInfo> objects;  // at least one
};
// The same of a URL, in its bucket.
Result<FoundObjects> FindObjects(const std::string& url, Folders folders, const StoreFlags& flags,
                                 const CallContext& context);

// "a" and "a/" as the prefix of what is below: "a/"; the whole bucket: "".
std::string FolderPrefix(const std::string& path);

}  // namespace seamount::cli
