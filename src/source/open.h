// Files by their paths.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "source/dataset.h"
#include "source/remote.h"

namespace seamount::source {

// A path, or an address that `remote` opens (null: there are none). NotFound, PermissionDenied, InvalidArgument (not a
// format known here) or DataLoss, each naming the file.
Result<std::unique_ptr<Dataset>> Open(const std::string& source, Remote* remote = nullptr);

// Several, in order; the beginnings of those that lie far away are asked for together.
Result<std::vector<std::unique_ptr<Dataset>>> OpenEach(const std::vector<std::string>& sources, Remote* remote);

}  // namespace seamount::source
