// The flags of commands that act as an administrator: --endpoint, --admin-key, --project.
#pragma once

#include "cli/command.h"
#include "stores/setup.h"

namespace seamount::cli {

// `options` must outlive parsing.
void AddAdminFlags(CLI::App& command, stores::AdminOptions& options);

}  // namespace seamount::cli
