#include "gcs/admin_json.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

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

net::HttpRequest JsonRequest(const std::string& method, const std::string& url, std::string text) {
  net::HttpRequest request{.method = method, .url = url};
  if (text.empty()) return request;
  request.headers.Add("Content-Type", "application/json");
  const auto shared = std::make_shared<const std::string>(std::move(text));
  request.body = net::RequestBody{.size = shared->size(),
                                  .read_at = [shared](uint64_t offset, std::span<std::byte> into) -> Result<void> {
                                    std::memcpy(into.data(), shared->data() + offset, into.size());
                                    return {};
                                  }};
  return request;
}

Result<bool> AddMember(Json& policy, const std::string& role, const std::string& member) {
  Json& bindings = policy["bindings"];
  if (bindings.is_null()) bindings = Json::array();
  if (!bindings.is_array()) return base::Internal("the policy: 'bindings' is not an array");
  for (Json& binding : bindings) {
    if (!binding.is_object() || TextOf(binding, "role") != role || binding.contains("condition")) continue;
    Json& members = binding["members"];
    if (!members.is_array()) return base::Internal("the policy: 'members' is not an array");
    if (std::find(members.begin(), members.end(), Json(member)) != members.end()) return false;
    members.push_back(member);
    return true;
  }
  bindings.push_back({{"role", role}, {"members", {member}}});
  return true;
}

}  // namespace seamount::gcs
