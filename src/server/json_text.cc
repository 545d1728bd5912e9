#include "server/json_text.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/json_depth.h"
#include "base/time_text.h"
#include "gcs/wire.h"

namespace seamount::server {
namespace {

using Json = nlohmann::json;
using namespace nlohmann::literals;  // "/a/b"_json_pointer

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<Json> ParseObject(std::string_view text, const std::string& what) {
  if (text.empty()) return Json::object();
  if (base::NestsDeeper(text)) return base::InvalidArgument(what + ": nested deeper than 64 levels");
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return base::InvalidArgument(what + ": not a JSON object");
  return json;
}

Result<std::string> Text(const Json& json, const char* name, const std::string& what) {
  const auto member = json.find(name);
  if (member == json.end() || member->is_null()) return std::string();
  if (!member->is_string()) return base::InvalidArgument(what + ": field '" + name + "' is not a string");
  return member->get<std::string>();
}

std::string Time(Micros micros) { return gcs::FormatTime(base::SystemTime(std::chrono::microseconds(micros))); }

// An etag that is the version: Base64, as etags are in this API.
std::string EtagOf(uint64_t version) { return base::Base64Encode(base::AsBytes("v" + std::to_string(version))); }

Result<uint64_t> VersionOf(const std::string& etag) {
  const auto bytes = base::Base64Decode(etag);
  const std::string_view text =
      bytes ? std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : std::string_view();
  const auto version = text.starts_with("v") ? gcs::ParseUint(text.substr(1)) : std::nullopt;
  // An etag that this server never gave cannot match; no version is 0.
  return version.value_or(0);
}

Json BindingsValue(const std::vector<Binding>& bindings) {
  Json array = Json::array();
  for (const Binding& binding : bindings) {
    Json entry = {{"role", binding.role}, {"members", binding.members}};
    if (binding.condition) {
      entry["condition"] = {{"title", binding.condition->title}, {"expression", binding.condition->expression}};
      if (!binding.condition->description.empty()) entry["condition"]["description"] = binding.condition->description;
    }
    array.push_back(std::move(entry));
  }
  return array;
}

Result<std::optional<BindingCondition>> ConditionOf(const Json& entry) {
  const auto member = entry.find("condition");
  if (member == entry.end() || member->is_null()) return std::optional<BindingCondition>();
  if (!member->is_object()) return base::InvalidArgument("policy binding: field 'condition' is not an object");
  BindingCondition condition;
  SEAMOUNT_TRY_ASSIGN(condition.title, Text(*member, "title", "condition"));
  SEAMOUNT_TRY_ASSIGN(condition.description, Text(*member, "description", "condition"));
  SEAMOUNT_TRY_ASSIGN(condition.expression, Text(*member, "expression", "condition"));
  if (condition.title.empty()) return base::InvalidArgument("condition: field 'title' is empty");
  SEAMOUNT_TRY_ASSIGN(condition.parsed, Condition::Parse(condition.expression));
  return std::optional(std::move(condition));
}

Result<std::vector<Binding>> BindingsOf(const Json& array) {
  if (!array.is_array()) return base::InvalidArgument("policy: field 'bindings' is not an array");
  std::vector<Binding> bindings;
  for (const Json& entry : array) {
    if (!entry.is_object()) return base::InvalidArgument("policy: a binding is not an object");
    Binding binding;
    SEAMOUNT_TRY_ASSIGN(binding.condition, ConditionOf(entry));
    SEAMOUNT_TRY_ASSIGN(binding.role, Text(entry, "role", "policy binding"));
    const auto members = entry.find("members");
    if (members != entry.end() && !members->is_array())
      return base::InvalidArgument("policy binding: field 'members' is not an array");
    if (members != entry.end()) {
      for (const Json& member : *members) {
        if (!member.is_string()) return base::InvalidArgument("policy binding: a member is not a string");
        binding.members.push_back(member.get<std::string>());
      }
    }
    if (!binding.members.empty()) bindings.push_back(std::move(binding));
  }
  return bindings;
}

Json BucketValue(const BucketRow& bucket, const std::string& base_url) {
  const char* prevention = bucket.policy.prevents_public ? "enforced" : "inherited";
  Json json = {{"kind", "storage#bucket"},
               {"id", bucket.name},
               {"name", bucket.name},
               {"selfLink", base_url + "/storage/v1/b/" + bucket.name},
               {"projectNumber", "1"},
               {"metageneration", std::to_string(bucket.metageneration)},
               {"location", bucket.location},
               {"locationType", "region"},
               {"storageClass", bucket.storage_class},
               {"timeCreated", Time(bucket.created)},
               {"updated", Time(bucket.updated)},
               {"etag", EtagOf(bucket.metageneration)},
               {"iamConfiguration",
                {{"uniformBucketLevelAccess", {{"enabled", true}}}, {"publicAccessPrevention", prevention}}}};
  if (!bucket.labels.empty()) json["labels"] = bucket.labels;
  return json;
}

// Whether a field says anything: false, null, and what holds no more than that say the same as leaving it out.
bool Says(const Json& value) {
  if (value.is_object())
    return std::any_of(value.begin(), value.end(), [](const Json& member) { return Says(member); });
  return !value.is_null() && value != false && !value.empty() && value != "";
}

Result<void> RefuseFields(const Json& json, std::span<const std::string_view> fields, const std::string& what) {
  for (const std::string_view field : fields) {
    const auto found = json.find(field);
    if (found != json.end() && Says(*found))
      return base::InvalidArgument(what + ": field '" + std::string(field) + "' is not supported by this server");
  }
  return {};
}

Result<void> RefuseObjectFields(const Json& json) {
  static constexpr std::array<std::string_view, 6> kRefused = {"acl",        "contexts",  "eventBasedHold",
                                                               "kmsKeyName", "retention", "temporaryHold"};
  return RefuseFields(json, kRefused, "object metadata");
}

// Settings of a bucket that would change what becomes of data, or of who may read it, were they kept.
Result<void> RefuseBucketFields(const Json& json) {
  // Zero seconds of it say that there is none.
  const auto soft_delete = json.find("softDeletePolicy");
  const bool keeps = soft_delete != json.end() && soft_delete->is_object() &&
                     soft_delete->value("retentionDurationSeconds", Json("0")) != "0" &&
                     soft_delete->value("retentionDurationSeconds", Json(0)) != 0;
  if (keeps)
    return base::InvalidArgument(
        "bucket: field 'softDeletePolicy' is not supported by this server: what is deleted is gone "
        "(retentionDurationSeconds 0 says so)");
  static constexpr std::array<std::string_view, 17> kRefused = {"acl",
                                                                "autoclass",
                                                                "billing",
                                                                "cors",
                                                                "customPlacementConfig",
                                                                "defaultEventBasedHold",
                                                                "encryption",
                                                                "defaultObjectAcl",
                                                                "ipFilter",
                                                                "hierarchicalNamespace",
                                                                "lifecycle",
                                                                "logging",
                                                                "objectRetention",
                                                                "retentionPolicy",
                                                                "rpo",
                                                                "versioning",
                                                                "website"};
  return RefuseFields(json, kRefused, "bucket");
}

// Who may read, besides what the policy says; nullopt where the body does not say. Uniform access is on in any case.
Result<std::optional<bool>> PreventsPublic(const Json& json) {
  const auto iam = json.find("iamConfiguration");
  if (iam == json.end() || iam->is_null()) return std::optional<bool>();
  const std::string what = "bucket: field 'iamConfiguration'";
  if (!iam->is_object()) return base::InvalidArgument(what + " is not an object");
  for (const char* name : {"uniformBucketLevelAccess", "bucketPolicyOnly"}) {  // its earlier name
    const auto uniform = iam->find(name);
    if (uniform == iam->end() || uniform->is_null()) continue;
    if (!uniform->is_object() || uniform->value("enabled", Json(true)) != true)
      return base::InvalidArgument(what + ": '" + name + "': this server knows no ACLs, so it is always enabled");
  }
  SEAMOUNT_TRY_ASSIGN(const std::string prevention, Text(*iam, "publicAccessPrevention", what));
  if (prevention.empty()) return std::optional<bool>();
  if (prevention != "enforced" && prevention != "inherited" && prevention != "unspecified")
    return base::InvalidArgument(what + ": 'publicAccessPrevention' is '" + prevention +
                                 "' (expected enforced or inherited)");
  return std::optional(prevention == "enforced");
}

Result<void> ParseLabels(const Json& json, BucketBody& body) {
  const auto labels = json.find("labels");
  if (labels == json.end()) return {};
  body.clears_labels = labels->is_null();
  if (body.clears_labels) return {};
  if (!labels->is_object()) return base::InvalidArgument("bucket: field 'labels' is not an object");
  for (const auto& [key, value] : labels->items()) {
    if (!value.is_null() && !value.is_string())
      return base::InvalidArgument("bucket: label '" + key + "' is not a string");
    body.labels.emplace(key, value.is_null() ? std::nullopt : std::optional(value.get<std::string>()));
  }
  return {};
}

bool IsLabelText(std::string_view text) {
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };  // a character
  const bool good = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80U;
  });
  return good && text.size() <= 128 && std::count_if(text.begin(), text.end(), begins) <= 63;
}

std::string AccountName(const AccountRow& account) {
  return "projects/" + account.project + "/serviceAccounts/" + account.email;
}

Json AccountValue(const AccountRow& account) {
  Json json = {{"name", AccountName(account)},        {"projectId", account.project},
               {"uniqueId", account.unique_id},       {"email", account.email},
               {"oauth2ClientId", account.unique_id}, {"etag", EtagOf(static_cast<uint64_t>(account.created))}};
  if (!account.display_name.empty()) json["displayName"] = account.display_name;
  if (account.disabled) json["disabled"] = true;
  return json;
}

Json KeyValue(const AccountRow& account, const KeyRow& key) {
  return {{"name", AccountName(account) + "/keys/" + key.id},
          {"keyAlgorithm", "KEY_ALG_RSA_2048"},
          {"keyOrigin", "GOOGLE_PROVIDED"},
          {"keyType", "USER_MANAGED"},
          {"validAfterTime", Time(key.created)},
          {"validBeforeTime", "9999-12-31T23:59:59Z"}};
}

// google.rpc.Code names, which the IAM API gives besides the HTTP status.
std::string_view RpcStatus(int status) {
  switch (status) {
    case 400: return "INVALID_ARGUMENT";
    case 401: return "UNAUTHENTICATED";
    case 403: return "PERMISSION_DENIED";
    case 404: return "NOT_FOUND";
    case 409: return "ALREADY_EXISTS";
    case 412: return "FAILED_PRECONDITION";
    case 503: return "UNAVAILABLE";
    case 507: return "RESOURCE_EXHAUSTED";
    default: return "INTERNAL";
  }
}

}  // namespace

std::string MapToJson(const std::map<std::string, std::string>& map) { return map.empty() ? "{}" : Dump(Json(map)); }

Result<std::map<std::string, std::string>> MapFromJson(std::string_view text) {
  std::map<std::string, std::string> map;
  if (text == "{}") return map;
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseObject(text, "catalog: metadata"));
  for (const auto& [name, value] : json.items()) {
    if (!value.is_string()) return base::DataLoss("catalog: metadata: field '" + name + "' is not a string");
    map.emplace(name, value.get<std::string>());
  }
  return map;
}

std::string BindingsToJson(const std::vector<Binding>& bindings) { return Dump(BindingsValue(bindings)); }

Result<std::vector<Binding>> BindingsFromJson(std::string_view json) {
  return BindingsOf(Json::parse(json, nullptr, /*allow_exceptions=*/false));
}

std::string BucketJson(const BucketRow& bucket, const std::string& base_url) {
  return Dump(BucketValue(bucket, base_url));
}

std::string BucketListJson(const std::vector<std::shared_ptr<const BucketRow>>& buckets,
                           const std::string& next_page_token, const std::string& base_url) {
  Json json = {{"kind", "storage#buckets"}};
  if (!next_page_token.empty()) json["nextPageToken"] = next_page_token;
  for (const auto& bucket : buckets) json["items"].push_back(BucketValue(*bucket, base_url));
  return Dump(json);
}

Result<BucketBody> ParseBucketBody(std::string_view text) {
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseObject(text, "bucket"));
  SEAMOUNT_TRY(RefuseBucketFields(json));
  BucketBody body;
  SEAMOUNT_TRY_ASSIGN(body.name, Text(json, "name", "bucket"));
  SEAMOUNT_TRY_ASSIGN(body.location, Text(json, "location", "bucket"));
  SEAMOUNT_TRY_ASSIGN(body.storage_class, Text(json, "storageClass", "bucket"));
  SEAMOUNT_TRY_ASSIGN(body.prevents_public, PreventsPublic(json));
  SEAMOUNT_TRY(ParseLabels(json, body));
  return body;
}

Result<void> CheckLabels(const std::map<std::string, std::string>& labels) {
  if (labels.size() > 64)
    return base::InvalidArgument("bucket: " + std::to_string(labels.size()) + " labels (expected at most 64)");
  for (const auto& [key, value] : labels) {
    const bool begins_well =
        !key.empty() && key.front() != '-' && key.front() != '_' && !(key.front() >= '0' && key.front() <= '9');
    if (begins_well && IsLabelText(key) && IsLabelText(value)) continue;
    return base::InvalidArgument("bucket: label '" + key + "' = '" + value +
                                 "' (expected lower-case letters, digits, '-' and '_', at most 63 characters each, and "
                                 "a letter at the key's beginning)");
  }
  return {};
}

Result<void> CheckObjectFields(std::string_view text) {
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseObject(text, "object metadata"));
  return RefuseObjectFields(json);
}

Result<void> CheckComposeFields(std::string_view text) {
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseObject(text, "compose request"));
  static constexpr std::array<std::string_view, 1> kRefused = {"deleteSourceObjects"};
  SEAMOUNT_TRY(RefuseFields(json, kRefused, "compose request"));
  const auto destination = json.find("destination");
  return destination != json.end() && destination->is_object() ? RefuseObjectFields(*destination) : Result<void>();
}

std::string PolicyJson(const Policy& policy, const std::string& bucket) {
  return Dump({{"kind", "storage#policy"},
               {"resourceId", "projects/_/buckets/" + bucket},
               {"version", policy.conditional() ? kConditionalPolicy : 1},
               {"etag", EtagOf(policy.version)},
               {"bindings", BindingsValue(policy.bindings)}});
}

Result<PolicyBody> ParsePolicyBody(std::string_view text) {
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseObject(text, "policy"));
  PolicyBody body;
  SEAMOUNT_TRY_ASSIGN(const std::string etag, Text(json, "etag", "policy"));
  if (!etag.empty()) {
    SEAMOUNT_TRY_ASSIGN(body.expected_version, VersionOf(etag));
  }
  if (const auto bindings = json.find("bindings"); bindings != json.end()) {
    SEAMOUNT_TRY_ASSIGN(body.policy.bindings, BindingsOf(*bindings));
  }
  // As at Google: who knows no conditions does not send them back, and must not take them away unknowingly.
  const auto version = json.find("version");
  if (body.policy.conditional() && (version == json.end() || *version != kConditionalPolicy))
    return base::InvalidArgument("policy: a policy with conditions has version 3");
  return body;
}

std::string TestPermissionsJson(const std::vector<std::string>& granted) {
  Json json = {{"kind", "storage#testIamPermissionsResponse"}};
  if (!granted.empty()) json["permissions"] = granted;
  return Dump(json);
}

std::string AccountJson(const AccountRow& account) { return Dump(AccountValue(account)); }

std::string AccountListJson(const std::vector<std::shared_ptr<const AccountRow>>& accounts) {
  Json json = Json::object();
  for (const auto& account : accounts) json["accounts"].push_back(AccountValue(*account));
  return Dump(json);
}

std::string KeyJson(const AccountRow& account, const KeyRow& key, const std::string* private_key_data) {
  Json json = KeyValue(account, key);
  if (private_key_data) {
    json["privateKeyType"] = "TYPE_GOOGLE_CREDENTIALS_FILE";
    json["privateKeyData"] = *private_key_data;
  }
  return Dump(json);
}

std::string KeyListJson(const AccountRow& account) {
  Json json = Json::object();
  for (const auto& [id, key] : account.keys) json["keys"].push_back(KeyValue(account, key));
  return Dump(json);
}

std::string KeyFileJson(const AccountRow& account, const KeyRow& key, const std::string& private_key_pem) {
  const Json json = {{"type", "service_account"},     {"project_id", account.project},
                     {"private_key_id", key.id},      {"private_key", private_key_pem},
                     {"client_email", account.email}, {"client_id", account.unique_id},
                     {"token_uri", key.token_uri}};
  return json.dump(2) + "\n";
}

Result<AccountBody> ParseAccountBody(std::string_view text) {
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseObject(text, "service account"));
  AccountBody body;
  SEAMOUNT_TRY_ASSIGN(body.account_id, Text(json, "accountId", "service account"));
  if (const auto inner = json.find("serviceAccount"); inner != json.end() && inner->is_object()) {
    SEAMOUNT_TRY_ASSIGN(body.display_name, Text(*inner, "displayName", "service account"));
  }
  return body;
}

std::string IamErrorJson(int status, const std::string& message) {
  return Dump({{"error", {{"code", status}, {"message", message}, {"status", RpcStatus(status)}}}});
}

std::string TokenJson(const std::string& access_token, int64_t expires_in_s) {
  return Dump({{"access_token", access_token}, {"expires_in", expires_in_s}, {"token_type", "Bearer"}});
}

std::string ExchangedTokenJson(const std::string& access_token, int64_t expires_in_s) {
  return Dump({{"access_token", access_token},
               {"issued_token_type", "urn:ietf:params:oauth:token-type:access_token"},
               {"expires_in", expires_in_s},
               {"token_type", "Bearer"}});
}

Result<std::string> CompactJson(std::string_view json) {
  SEAMOUNT_TRY_ASSIGN(const Json parsed, ParseObject(json, "JSON"));
  return Dump(parsed);
}

namespace {

Result<BoundaryRule> BoundaryRuleOf(const Json& json) {
  constexpr std::string_view kResource = "//storage.googleapis.com/projects/_/buckets/";
  constexpr std::string_view kInRole = "inRole:";
  const std::string what = "access boundary rule";
  if (!json.is_object()) return base::InvalidArgument(what + ": not an object");
  BoundaryRule rule;
  SEAMOUNT_TRY_ASSIGN(const std::string resource, Text(json, "availableResource", what));
  if (!resource.starts_with(kResource))
    return base::InvalidArgument(what + ": field 'availableResource' is '" + resource + "' (expected " +
                                 std::string(kResource) + "BUCKET)");
  rule.bucket = resource.substr(kResource.size());
  const auto permissions = json.find("availablePermissions");
  if (permissions == json.end() || !permissions->is_array() || permissions->empty())
    return base::InvalidArgument(what + ": field 'availablePermissions' is no list of inRole:ROLE");
  for (const Json& permission : *permissions) {
    const std::string name = permission.is_string() ? permission.get<std::string>() : "";
    if (!name.starts_with(kInRole) || !IsRole(name.substr(kInRole.size())))
      return base::InvalidArgument(what + ": '" + name +
                                   "' in 'availablePermissions' is not supported (expected "
                                   "inRole:roles/storage.objectViewer, or another role of storage)");
    rule.roles.push_back(name.substr(kInRole.size()));
  }
  const auto condition = json.find("availabilityCondition");
  if (condition == json.end() || condition->is_null()) return rule;
  if (!condition->is_object()) return base::InvalidArgument(what + ": field 'availabilityCondition' is not an object");
  SEAMOUNT_TRY_ASSIGN(const std::string expression, Text(*condition, "expression", "availabilityCondition"));
  SEAMOUNT_TRY_ASSIGN(rule.condition, Condition::Parse(expression));
  return rule;
}

}  // namespace

Result<Boundary> ParseBoundary(std::string_view text) {
  constexpr size_t kMaxRules = 10;  // Google's limit
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseObject(text, "options"));
  const auto boundary = json.find("accessBoundary");
  if (boundary == json.end() || !boundary->is_object())
    return base::InvalidArgument("options: field 'accessBoundary' is not an object");
  const auto rules = boundary->find("accessBoundaryRules");
  if (rules == boundary->end() || !rules->is_array() || rules->empty() || rules->size() > kMaxRules)
    return base::InvalidArgument("options: field 'accessBoundaryRules' is no list of 1 to 10 rules");
  Boundary parsed;
  for (const Json& rule : *rules) {
    SEAMOUNT_TRY_ASSIGN(BoundaryRule one, BoundaryRuleOf(rule));
    parsed.push_back(std::move(one));
  }
  return parsed;
}

Result<ImpersonationBody> ParseImpersonationBody(std::string_view text) {
  const std::string what = "generateAccessToken";
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseObject(text, what));
  ImpersonationBody body;
  SEAMOUNT_TRY_ASSIGN(body.lifetime, Text(json, "lifetime", what));
  const auto delegates = json.find("delegates");
  body.delegates = delegates != json.end() && !delegates->empty();
  const auto scopes = json.find("scope");
  if (scopes == json.end() || !scopes->is_array() || scopes->empty())
    return base::InvalidArgument(what + ": field 'scope' is no list of scopes");
  for (const Json& scope : *scopes) {
    if (!scope.is_string()) return base::InvalidArgument(what + ": a scope is not a string");
    body.scopes.push_back(scope.get<std::string>());
  }
  return body;
}

std::string ImpersonationJson(const std::string& access_token, base::SystemTime expires) {
  // In whole seconds: Google's library for Python reads nothing else here.
  return Dump({{"accessToken", access_token}, {"expireTime", base::FormatRfc3339(expires, 0)}});
}

std::string TokenErrorJson(const std::string& error, const std::string& description) {
  return Dump({{"error", error}, {"error_description", description}});
}

}  // namespace seamount::server
