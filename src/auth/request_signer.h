// What makes a request one of somebody's: a bearer token in a header, or a signature over the request itself.
#pragma once

#include <memory>
#include <string>

#include "auth/token_source.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"

namespace seamount::auth {

// Thread-safe.
class RequestSigner {
 public:
  virtual ~RequestSigner() = default;
  // Adds to a complete request (method, URL with its query, headers, and a body that can be read beforehand: all that a
  // signature may cover) what shows `audience_url` (scheme://host[:port], as net::Url::Origin gives it) who asks.
  // PermissionDenied, and nothing added, when the request goes elsewhere, or the credential is not for that audience.
  //
  // The answer is what it was signed with, for one purpose: to be handed back as `rejected` with a fresh copy of the
  // request when the server has answered 401, so that it is not used again. Empty: nothing was added (anonymous), or
  // there is nothing else to sign with; a 401 is final.
  virtual Result<Secret> Sign(net::HttpRequest& request, const std::string& audience_url, const Secret& rejected,
                              const CallContext& context) = 0;
  // As TokenSource::Describe(): for messages, without secrets.
  virtual std::string Describe() const = 0;
};

// "Authorization: Bearer <token>"; what the source binds to hosts stays bound.
std::shared_ptr<RequestSigner> MakeBearerSigner(std::shared_ptr<TokenSource> tokens);

}  // namespace seamount::auth
