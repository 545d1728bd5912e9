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
                                                           std::shared_ptr<auth::TokenSource> tokens,
                                                           base::Clock& clock) {
  auto url = net::ParseUrl(endpoint);
  if (!url) return url.error().Wrap("endpoint");
  return std::unique_ptr<ServiceClient>(
      new ServiceClient(*std::move(url), std::move(bucket), std::move(http), std::move(tokens), clock));
}

ServiceClient::ServiceClient(net::Url endpoint, std::string bucket, std::shared_ptr<net::HttpClient> http,
                             std::shared_ptr<auth::TokenSource> tokens, base::Clock& clock)
    : origin_(endpoint.Origin()),
      base_(BaseOf(endpoint)),
      bucket_(std::move(bucket)),
      http_(std::move(http)),
      tokens_(std::move(tokens)),
      clock_(clock) {}

std::string ServiceClient::Name(std::string_view key) const { return "gs://" + bucket_ + "/" + std::string(key); }

std::string ServiceClient::UrlOf(std::string_view path, const net::QueryParameters& query) const {
  std::string url = base_ + std::string(path);
  if (!query.empty()) url += "?" + net::JoinQuery(query);
  return url;
}

Result<net::HttpResponse> ServiceClient::SendWith(const auth::Token& token, net::HttpRequest request,
                                                  const CallContext& context) const {
  if (!token.value.empty()) request.headers.Add("Authorization", "Bearer " + token.value.Reveal());
  return http_->Send(request, context);
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
  SEAMOUNT_TRY_ASSIGN(const auth::Token token, tokens_->GetToken(origin_, {}, context));
  SEAMOUNT_TRY_ASSIGN(auto response, SendWith(token, request, context));
  if (response.status == 401 && !token.value.empty()) {
    SEAMOUNT_TRY_ASSIGN(const auth::Token fresh, tokens_->GetToken(origin_, token.value, context));
    SEAMOUNT_TRY_ASSIGN(response, SendWith(fresh, std::move(request), context));
  }
  if (response.status == 429 || response.status == 503) {
    const base::Duration left =
        context.deadline == base::SteadyTime::max() ? kLongestHold : context.deadline - clock_.Now();
    const base::Duration hold = std::min(RetryAfter(response), left);
    if (hold.count() > 0 && !clock_.SleepFor(hold, context.stop)) return base::Cancelled("stop was requested");
  }
  return response;
}

Error ServiceClient::ErrorOf(const net::HttpResponse& response, std::string_view what) const {
  return ErrorOfResponse(response, what, bucket_, tokens_->Describe());
}

}  // namespace seamount::gcs
