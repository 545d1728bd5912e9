// What lies on a web server, as a Store that can only be read: archives that are published as files, Zarr groups too.
//
// How it works: a key is the rest of the path, each part percent-encoded; a query in the store's URL (a signature) goes
// with every request and into no message. Reads are GETs with Range. The generation is the ETag, or where there is none
// the time of change and the size; it is asked for with If-Match where HTTP allows that, and compared with what came in
// any case. 404 and 410 are absence. A web server does not say what it has: List is InvalidArgument, and so is
// everything that writes. There are no checksums.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "net/http_client.h"
#include "store/store.h"

namespace seamount::web {

// "https://host[:port][/folder][?query]", or http. InvalidArgument names what is wrong with it. Asks nothing yet.
Result<std::shared_ptr<Store>> MakeWebStore(const std::string& url, std::shared_ptr<net::HttpClient> http);

}  // namespace seamount::web
