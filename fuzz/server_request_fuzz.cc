// What a server makes of a request line and its headers before it knows who asks: routing, ranges, preconditions,
// access tokens, policies.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "gcs/wire.h"
#include "net/url.h"
#include "server/access_token.h"
#include "server/json_text.h"
#include "server/list_json.h"
#include "server/parameters.h"
#include "server/route.h"
#include "server/service.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  constexpr std::string_view kMethods[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "BREW"};
  if (const auto target = seamount::net::ParseTarget(text)) {
    const auto route = seamount::server::MatchRoute(kMethods[data[0] % std::size(kMethods)], *target);
    if (route) (void)seamount::server::CheckParameters(*route, *target, {});
    if (route && seamount::server::InfoOf(route->operation).name.empty()) std::abort();
    (void)seamount::server::ParsePreconditions(*target, {});
  }
  const uint64_t object_size = data[1];
  if (const auto span = seamount::server::ResolveRange(text, object_size)) {
    if (span->length > object_size || span->offset > object_size - span->length) std::abort();
  }
  (void)seamount::gcs::ParseContentRange(text);
  (void)seamount::server::CheckObjectName(std::string(text));
  (void)seamount::server::ListFields::Parse(text);
  if (seamount::server::VerifyToken("secret", text, 0)) std::abort();  // nothing here is signed
  if (const auto policy = seamount::server::ParsePolicyBody(text)) (void)seamount::server::CheckPolicy(policy->policy);
  (void)seamount::server::CheckObjectFields(text);
  (void)seamount::server::CheckComposeFields(text);
  if (const auto bucket = seamount::server::ParseBucketBody(text)) {
    std::map<std::string, std::string> labels;
    for (const auto& [key, value] : bucket->labels) labels[key] = value.value_or("");
    (void)seamount::server::CheckLabels(labels);
  }
  (void)seamount::server::ParseAccountBody(text);
  return 0;
}
