// The folders that a server is told to share at its start (share.h), as buckets of its catalog: rights are granted on
// them as on others, and stay with the name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/catalog.h"
#include "server/service.h"
#include "server/share_folder.h"

namespace seamount::server {

using ShareFolders = std::vector<std::unique_ptr<ShareFolder>>;

// Changes nothing. InvalidArgument or PermissionDenied, naming the share, for a name that is no bucket's or is given
// twice, for a folder that is not there, and for one that the server's own `directory` lies in, or that lies in it.
Result<ShareFolders> OpenShareFolders(const std::vector<SharedFolder>& shares, const std::string& directory);

// PreconditionFailed where a stored bucket has a share's name.
Result<Shares> MakeShares(ShareFolders folders, const std::string& directory, Catalog& catalog);

}  // namespace seamount::server
