#include "server/shares.h"

#include <set>
#include <utility>

#include "server/share.h"

namespace seamount::server {
namespace {

// Made with the first start that shares it.
Result<void> EnsureBucket(Catalog& catalog, const std::string& name) {
  const auto bucket = catalog.FindBucket(name);
  if (bucket && bucket->is_share) return {};
  if (bucket)
    return base::PreconditionFailed("sharing a folder as bucket '" + name +
                                    "': this server stores a bucket of that name (give the share another)");
  BucketRow row{.name = name, .project = "", .location = "LOCAL", .storage_class = "STANDARD"};
  row.is_share = true;
  SEAMOUNT_TRY(catalog.InsertBucket(std::move(row)));
  return {};
}

}  // namespace

Result<ShareFolders> OpenShareFolders(const std::vector<SharedFolder>& shares, const std::string& directory) {
  ShareFolders folders;
  std::set<std::string> names;
  for (const SharedFolder& share : shares) {
    if (auto good = CheckBucketName(share.bucket); !good)
      return std::move(good).error().Wrap("sharing the folder '" + share.folder + "'");
    if (!names.insert(share.bucket).second)
      return base::InvalidArgument("sharing as bucket '" + share.bucket + "': two folders are given for it");
    SEAMOUNT_TRY_ASSIGN(auto folder, ShareFolder::Open(share.bucket, share.folder));
    if (folder->Overlaps(directory))
      return base::InvalidArgument("sharing as bucket '" + share.bucket + "' the folder '" + share.folder +
                                   "': the server's own folder '" + directory +
                                   "', with its keys, lies in it, or it lies there (keep the two apart)");
    folders.push_back(std::move(folder));
  }
  return folders;
}

Result<Shares> MakeShares(ShareFolders folders, const std::string& directory, Catalog& catalog) {
  Shares shares;
  if (folders.empty()) return shares;
  const std::shared_ptr<ShareSums> sums = ShareSums::Open(directory + "/share-sums.db");
  for (auto& folder : folders) {
    const std::string name = folder->bucket();
    SEAMOUNT_TRY(EnsureBucket(catalog, name));
    shares.emplace(name, std::make_shared<Share>(std::move(folder), sums));
  }
  return shares;
}

}  // namespace seamount::server
