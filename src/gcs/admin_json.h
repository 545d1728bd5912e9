// The bodies of administrative calls, and reading their answers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "net/http_client.h"

namespace seamount::gcs {

// Internal, beginning with `what`, unless the body is a JSON object.
Result<nlohmann::json> ObjectOf(const net::HttpResponse& response, const std::string& what);
// A member's text; empty where there is none.
std::string TextOf(const nlohmann::json& json, const char* name);
// True when `member` was added to an unconditional binding of `role`; false when it was there.
Result<bool> AddMember(nlohmann::json& policy, const std::string& role, const std::string& member);
// A request with this text as its body, JSON; without one where the text is empty.
net::HttpRequest JsonRequest(const std::string& method, const std::string& url, std::string text);

}  // namespace seamount::gcs
