#include "gcs/service_client.h"

#include <algorithm>

#include "gcs/errors.h"
#include "gcs/wire.h"

namespace seamount::gcs {
namespace {

// Longer holds belong to the caller, who may have another plan than waiting.
constexpr base::Duration kLongestHold = std::chrono::seconds(10);

std::string BaseOf(const net::Url& endpoint) {
  std::string base = endpoint.Origin() + endpoint.path;
  while (base.ends_with('/')) base.pop_back();
  return base;
}

base::Duration RetryAfter(const net::HttpResponse& response) {
  const auto value = response.headers.Get("Retry-After");
  const auto seconds = value ? ParseUint(*value) : std::nullopt;  // the form with a date is not used here
  if (!seconds) return base::Duration(0);
  return std::min<base::Duration>(std::chrono::seconds(std::min<uint64_t>(*seconds, 3600)), kLongestHold);
}

}  // namespace

Result<std::unique_ptr<ServiceClient>> ServiceClient::Make(const std::string& endpoint, std::string bucket,
                                                           std::shared_ptr<net::HttpClient> http,
                                                           std::shared_ptr<auth::RequestSigner> signer,
                                                           base::Clock& clock) {
  auto url = net::ParseUrl(endpoint);
  if (!url) return url.error().Wrap("endpoint");
  return std::unique_ptr<ServiceClient>(
      new ServiceClient(*std::move(url), std::move(bucket), std::move(http), std::move(signer), clock));
}

ServiceClient::ServiceClient(net::Url endpoint, std::string bucket, std::shared_ptr<net::HttpClient> http,
                             std::shared_ptr<auth::RequestSigner> signer, base::Clock& clock)
    : origin_(endpoint.Origin()),
      base_(BaseOf(endpoint)),
      bucket_(std::move(bucket)),
      http_(std::move(http)),
      signer_(std::move(signer)),
      clock_(clock) {}

std::string ServiceClient::Name(std::string_view key) const { return "gs://" + bucket_ + "/" + std::string(key); }

std::string ServiceClient::UrlOf(std::string_view path, const net::QueryParameters& query) const {
  std::string url = base_ + std::string(path);
  if (!query.empty()) url += "?" + net::JoinQuery(query);
  return url;
}

Result<ServiceClient::Signed> ServiceClient::SendWith(const auth::Secret& rejected, net::HttpRequest request,
                                                      const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(auth::Secret with, signer_->Sign(request, origin_, rejected, context));
  SEAMOUNT_TRY_ASSIGN(net::HttpResponse response, http_->Send(request, context));
  return Signed{std::move(response), std::move(with)};
}

Result<net::HttpResponse> ServiceClient::Send(net::HttpRequest request, const CallContext& context) const {
  // Whatever begins with our own base needs no parsing; only a session URL that a server handed out may differ.
  if (!request.url.starts_with(base_ + "/")) {
    SEAMOUNT_TRY_ASSIGN(const net::Url url, net::ParseUrl(request.url));
    if (url.Origin() != origin_) {
      return base::Internal("the server at " + origin_ + " refers to " + url.Origin() +
                            ", to which its credentials are not sent");
    }
  }
  SEAMOUNT_TRY_ASSIGN(Signed sent, SendWith({}, request, context));
  if (sent.response.status == 401 && !sent.with.empty()) {
    SEAMOUNT_TRY_ASSIGN(sent, SendWith(sent.with, std::move(request), context));
  }
  net::HttpResponse& response = sent.response;
  if (response.status == 429 || response.status == 503) {
    const base::Duration left =
        context.deadline == base::SteadyTime::max() ? kLongestHold : context.deadline - clock_.Now();
    const base::Duration hold = std::min(RetryAfter(response), left);
    if (hold.count() > 0 && !clock_.SleepFor(hold, context.stop)) return base::Cancelled("stop was requested");
  }
  return std::move(response);
}

Error ServiceClient::ErrorOf(const net::HttpResponse& response, std::string_view what) const {
  return ErrorOfResponse(response, what, bucket_, signer_->Describe());
}

}  // namespace seamount::gcs
