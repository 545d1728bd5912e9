// What a request asks beyond its path. Of the parameters, headers and settings that Google documents, some are
// followed, some change nothing here (userProject, projection …) and are passed over; the rest are refused, each of
// them, because passing them over would lose data, return other data than was asked for, or let more people read it.
#pragma once

#include "base/result.h"
#include "net/http_client.h"
#include "net/url.h"
#include "server/route.h"

namespace seamount::server {

// InvalidArgument, naming the parameter or header that this server does not follow.
Result<void> CheckParameters(const Route& route, const net::RequestTarget& target, const net::Headers& headers);

}  // namespace seamount::server
