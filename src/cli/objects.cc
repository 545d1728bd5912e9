#include "cli/objects.h"

#include <utility>

namespace seamount::cli {
namespace {

Error IsAFolder(const Place& place, Folders folders) {
  const bool bucket = place.path.empty();
  const std::string what = place.text + (bucket ? " is a whole bucket" : " is a folder");
  if (folders == Folders::kRefused) return base::InvalidArgument(what + " (expected an object, as gs://bucket/key)");
  return base::InvalidArgument(what +
                               (bucket ? " (say -r for all that is in it)" : " (say -r for all that lies below it)"));
}

}  // namespace

std::string FolderPrefix(const std::string& path) { return path.empty() || path.ends_with('/') ? path : path + "/"; }

Result<std::vector<store::ObjectInfo>> ObjectsOf(Store& store, const Place& place, Folders folders,
                                                 const CallContext& context) {
  const bool all = folders == Folders::kTaken;
  if (place.path.empty() && !all) return IsAFolder(place, folders);
  const std::string prefix = FolderPrefix(place.path);
  if (all) {
    SEAMOUNT_TRY_ASSIGN(auto page, store::ListAll(store, {.prefix = prefix}, context));
    if (!page.objects.empty()) return std::move(page.objects);
  }
  if (!place.path.empty()) {
    SEAMOUNT_TRY_ASSIGN(auto object, store.Stat(place.path, context));
    if (object) return std::vector{*std::move(object)};
  }
  if (all) return base::NotFound(place.text + ": no such object, and nothing lies below it");
  SEAMOUNT_TRY_ASSIGN(const auto below, store.List({.prefix = prefix, .max_results = 1}, context));
  if (below.objects.empty()) return base::NotFound(place.text + ": no such object");
  return IsAFolder(place, folders);
}

Result<FoundObjects> FindObjects(const std::string& url, Folders folders, const StoreFlags& flags,
                                 const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const Place place, ParseBucketPlace(url));
  FoundObjects found;
  SEAMOUNT_TRY_ASSIGN(found.store, OpenFromFlags(place.bucket, flags));
  SEAMOUNT_TRY_ASSIGN(found.objects, ObjectsOf(*found.store, place, folders, context));
  return found;
}

}  // namespace seamount::cli
