// Files by their paths.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "source/dataset.h"

namespace seamount::source {

// NotFound, PermissionDenied, InvalidArgument (not a format known here) or DataLoss, each naming the file.
Result<std::unique_ptr<Dataset>> Open(const std::string& path);

}  // namespace seamount::source
