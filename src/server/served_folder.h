// The folder that a server keeps its data in: whether it is one, or may become one, and that no two servers share it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/blob_store.h"

namespace seamount::server {

// Fails, and changes nothing, unless a server may start on `directory`: it is absent, empty, or holds a catalog.
// InvalidArgument for a folder with other people's files, DataLoss where objects' contents are without their catalog:
// a new one would know none of them.
Result<void> CheckFolder(const std::string& directory);

// Makes the folder (mode 0700) where missing. PreconditionFailed when another server runs on it; the lock is held until
// the descriptor is closed.
Result<base::Fd> LockFolder(const std::string& directory);

}  // namespace seamount::server
