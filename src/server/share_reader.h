// The content of a shared file, of one identity from its first byte to its last.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "server/backend.h"
#include "server/share_folder.h"
#include "server/share_sums.h"

namespace seamount::server {

// `fd`: the file, open for reading, which was `identity` when it was looked at; `what` names it in errors. Reading it
// whole and in order keeps its checksums in `sums`. A read is Unavailable where the file is another meanwhile.
Content ContentOfFile(base::Fd fd, const FileIdentity& identity, std::string what, std::shared_ptr<ShareSums> sums);

}  // namespace seamount::server
