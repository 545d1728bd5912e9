// Requests to one bucket's server: URLs, signing, once again on 401, Retry-After.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/request_signer.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"
#include "net/url.h"

namespace seamount::gcs {

// Thread-safe.
class ServiceClient {
 public:
  // InvalidArgument when the endpoint is no http(s) URL.
  static Result<std::unique_ptr<ServiceClient>> Make(const std::string& endpoint, std::string bucket,
                                                     std::shared_ptr<net::HttpClient> http,
                                                     std::shared_ptr<auth::RequestSigner> signer, base::Clock& clock);

  const std::string& bucket() const { return bucket_; }
  base::Clock& clock() const { return clock_; }
  // "gs://bucket/key", for messages.
  std::string Name(std::string_view key) const;
  // An absolute URL on this server, from a path and its query.
  std::string UrlOf(std::string_view path, const net::QueryParameters& query) const;

  // One exchange, authorised. A status is a value, also an error's; ErrorOf turns it into an error. An answer that
  // says "Retry-After" is held back that long (at most 10 s), so that whoever retries does so politely. Refuses URLs
  // on other servers than this one, signed or not.
  Result<net::HttpResponse> Send(net::HttpRequest request, const CallContext& context) const;

  // what: "reading gs://b/key".
  Error ErrorOf(const net::HttpResponse& response, std::string_view what) const;

 private:
  ServiceClient(net::Url endpoint, std::string bucket, std::shared_ptr<net::HttpClient> http,
                std::shared_ptr<auth::RequestSigner> signer, base::Clock& clock);
  struct Signed {
    net::HttpResponse response;
    auth::Secret with;
  };
  // Signs, not with what was rejected, and sends.
  Result<Signed> SendWith(const auth::Secret& rejected, net::HttpRequest request, const CallContext& context) const;

  const std::string origin_;
  const std::string base_;  // origin and path of the endpoint, without a slash at the end
  const std::string bucket_;
  const std::shared_ptr<net::HttpClient> http_;
  const std::shared_ptr<auth::RequestSigner> signer_;
  base::Clock& clock_;
};

}  // namespace seamount::gcs
