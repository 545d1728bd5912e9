// Ports of this host.
#pragma once

#include <string>

namespace seamount::cli {

// Whether somebody takes connections at ADDRESS:PORT (IPv4) of this host.
bool Listens(const std::string& server);

}  // namespace seamount::cli
