// The catalog's tables, and how older ones are brought up. Private to catalog*.cc and fsck.cc.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "server/sqlite.h"

namespace seamount::server {

// In the header of the file, so that it can be known without SQLite: "Seam". Versions before format 3 left it out.
constexpr uint32_t kApplicationId = 0x5365616d;

// Of the catalog's format. A server refuses a newer one instead of guessing, and brings an older one up.
constexpr int64_t kCatalogFormat = 4;

// Makes the tables of an empty catalog, brings up those of an older one, and refuses those of a newer one.
Result<void> BringUp(Connection& connection, const std::string& path);

}  // namespace seamount::server
