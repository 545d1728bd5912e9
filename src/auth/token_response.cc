#include "auth/token_response.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "base/time_text.h"

namespace seamount::auth {
namespace {

using Json = nlohmann::json;

// RFC 6749 leaves "expires_in" out where it is agreed otherwise; Google's tokens live for an hour.
constexpr int64_t kDefaultLifetimeSeconds = 3600;
constexpr int64_t kMaxLifetimeSeconds = 7LL * 24 * 3600;
constexpr size_t kMaxQuotedBytes = 200;

std::string TextOf(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return "";
  auto text = found->get<std::string>().substr(0, kMaxQuotedBytes);
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return text;
}

Json Parsed(const net::HttpResponse& response) {
  const std::string_view text = response.body.view();
  return base::NestsDeeper(text) ? Json() : Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

Error Refusal(const net::HttpResponse& response, const std::string& advice) {
  const Json object = Parsed(response);
  std::string error;
  std::string description;
  if (object.is_object()) {
    error = TextOf(object, "error");
    description = TextOf(object, "error_description");
    if (const auto details = object.find("error"); details != object.end() && details->is_object()) {
      error = TextOf(*details, "status");  // as Google's other services have it
      description = TextOf(*details, "message");
    }
  }
  std::string what = "the token endpoint answered " + std::to_string(response.status);
  if (!error.empty()) what += " " + error;
  if (!description.empty()) what += " (" + description + ")";
  if (response.status == 408 || response.status == 429 || response.status >= 500) return base::Unavailable(what);
  if (response.status == 403) return base::PermissionDenied(what + ": " + advice);
  return base::Unauthenticated(what + ": " + advice);
}

// The token in an answer's field of that name.
Result<Secret> TokenIn(const Json& object, const char* field) {
  const std::string quoted = std::string("'") + field + "'";
  if (!object.is_object()) return base::Internal("the token endpoint's answer is not a JSON object");
  const auto token = object.find(field);
  if (token == object.end() || !token->is_string()) {
    return base::Internal("the token endpoint's answer has no " + quoted);
  }
  const auto& text = token->get_ref<const std::string&>();
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; })) {
    return base::Internal("the token endpoint's " + quoted + " cannot be sent in a header");
  }
  return Secret(text);
}

}  // namespace

Result<Token> ReadIamTokenResponse(const net::HttpResponse& response, const std::string& advice, base::Clock& clock) {
  if (response.status != 200) return Refusal(response, advice);
  const Json object = Parsed(response);
  SEAMOUNT_TRY_ASSIGN(Secret token, TokenIn(object, "accessToken"));
  const auto expires = base::ParseRfc3339(TextOf(object, "expireTime"));
  if (!expires) return base::Internal("the token endpoint's answer has no 'expireTime'");
  return Token{.value = std::move(token),
               .expires = std::min(*expires, clock.WallNow() + std::chrono::seconds(kMaxLifetimeSeconds))};
}

Result<Token> ReadTokenResponse(const net::HttpResponse& response, const std::string& advice, base::Clock& clock) {
  if (response.status != 200) return Refusal(response, advice);
  const Json object = Parsed(response);
  SEAMOUNT_TRY_ASSIGN(Secret token, TokenIn(object, "access_token"));
  int64_t lifetime = kDefaultLifetimeSeconds;
  if (const auto given = object.find("expires_in"); given != object.end() && given->is_number_integer()) {
    lifetime = std::clamp<int64_t>(given->get<int64_t>(), 0, kMaxLifetimeSeconds);
  }
  return Token{.value = std::move(token), .expires = clock.WallNow() + std::chrono::seconds(lifetime)};
}

Result<Token> RequestToken(net::HttpClient& http, const std::string& url, const net::QueryParameters& form,
                           const std::string& advice, base::Clock& clock, const CallContext& context) {
  const std::string body = net::JoinQuery(form);
  net::HttpRequest request{.method = "POST", .url = url, .max_response_bytes = kMaxTokenResponseBytes};
  request.headers.Add("Content-Type", "application/x-www-form-urlencoded");
  request.headers.Add("Accept", "application/json");
  request.body = net::RequestBody{.size = body.size(),
                                  .read_at = [&body](uint64_t offset, std::span<std::byte> into) -> Result<void> {
                                    std::memcpy(into.data(), body.data() + offset, into.size());
                                    return {};
                                  }};
  SEAMOUNT_TRY_ASSIGN(const net::HttpResponse response, http.Send(request, context));
  return ReadTokenResponse(response, advice, clock);
}

}  // namespace seamount::auth
