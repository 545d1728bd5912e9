#include "gcs/admin_json.h"

#include <nlohmann/json.hpp>

#include "base/json_depth.h"

namespace seamount::gcs {

using Json = nlohmann::json;

Result<Json> ObjectOf(const net::HttpResponse& response, const std::string& what) {
  if (base::NestsDeeper(response.body.view()))
    return base::Internal(what + ": the server's answer is nested deeper than 64 levels");
  Json json = Json::parse(response.body.view(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return base::Internal(what + ": the server's answer is not a JSON object");
  return json;
}

std::string TextOf(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace seamount::gcs
