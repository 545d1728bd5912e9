// An HttpClient that logs each exchange at debug level (`-vv`): method, URL without its query, status, bytes, time. No
// header and no body, which may hold tokens and keys.
#pragma once

#include <memory>

#include "net/http_client.h"

namespace seamount::net {

std::unique_ptr<HttpClient> LogRequests(std::unique_ptr<HttpClient> inner);

}  // namespace seamount::net
