// The server's one HttpHandler: authenticates, finds the operation and its bucket, checks the permission, calls the
// handler, turns errors into the API's bodies, and logs a line for each request.
#pragma once

#include "net/http_server.h"
#include "server/request_log.h"
#include "server/service.h"

namespace seamount::server {

// Thread-safe.
class Api final : public net::HttpHandler {
 public:
  explicit Api(Service& service) : service_(service) {}
  net::ServerResponse Handle(net::ServerRequest& request) override;

 private:
  // `entry` (may be null) learns who asked, and why that was refused.
  net::ServerResponse Answer(net::ServerRequest& request, RequestEntry* entry);
  Result<net::ServerResponse> Dispatch(Call& call);
  Result<void> FindBackend(Call& call, const OperationInfo& info);

  Service& service_;
};

}  // namespace seamount::server
