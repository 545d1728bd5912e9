// Throw-away machines on this host, from namespaces. Needs root, overlayfs in the kernel, and iproute2.
#pragma once

#include <memory>
#include <string>

#include "cloud/cloud.h"

namespace seamount::cloud::local {

struct LocalCloudOptions {
  std::string state_directory = "/run/seamount/vm";
};

// PermissionDenied when not root.
Result<std::unique_ptr<Cloud>> OpenLocalCloud(const LocalCloudOptions& options = {});

// The address of this host that machines can reach (10.83.0.1), given to its loopback device if it has not got it;
// and taken from it.
Result<std::string> MakeHostAddress();
Result<void> DropHostAddress();

}  // namespace seamount::cloud::local
