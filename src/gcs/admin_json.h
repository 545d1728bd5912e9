// Reading the answers of the administrative calls.
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

}  // namespace seamount::gcs
