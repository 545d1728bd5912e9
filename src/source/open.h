// Files by their paths.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "source/dataset.h"

namespace seamount::source {

// NotFound, PermissionDenied, InvalidArgument (not a format known here) or DataLoss, each naming the file.
Result<std::unique_ptr<Dataset>> Open(const std::string& path);

// DataLoss when the local file of that name is no longer what was opened: what was read may be a mixture.
Result<void> CheckUnchanged(const FileIdentity& file);

}  // namespace seamount::source
