// The catalog's tables, and how older ones are brought up. Private to catalog*.cc.
#pragma once

#include <string>

#include "base/result.h"
#include "server/sqlite.h"

namespace seamount::server {

// Makes the tables of an empty catalog, brings up those of an older one, and refuses those of a newer one.
Result<void> BringUp(Connection& connection, const std::string& path);

}  // namespace seamount::server
