// JSON that this server reads and writes besides the objects of gcs/wire.h: buckets, policies, service accounts, keys,
// tokens, and the maps that the catalog keeps. nlohmann stays in json_text.cc. Readers take untrusted text: malformed
// input is InvalidArgument.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/iam.h"
#include "server/rows.h"

namespace seamount::server {

std::string MapToJson(const std::map<std::string, std::string>& map);
Result<std::map<std::string, std::string>> MapFromJson(std::string_view json);
std::string BindingsToJson(const std::vector<Binding>& bindings);
Result<std::vector<Binding>> BindingsFromJson(std::string_view json);

std::string BucketJson(const BucketRow& bucket, const std::string& base_url);
std::string BucketListJson(const std::vector<std::shared_ptr<const BucketRow>>& buckets,
                           const std::string& next_page_token, const std::string& base_url);

// Of a bucket insert, patch or update; what it does not say is empty. Settings that this server does not keep
// (versioning, lifecycle …) are InvalidArgument.
struct BucketBody {
  std::string name;
  std::string location;
  std::string storage_class;
  std::optional<bool> prevents_public;
  std::map<std::string, std::optional<std::string>> labels;  // nullopt: to be removed
  bool clears_labels = false;                                // "labels": null
};
Result<BucketBody> ParseBucketBody(std::string_view json);
// As Google's: at most 64, of lower-case letters, digits, '-' and '_', at most 63 characters each.
Result<void> CheckLabels(const std::map<std::string, std::string>& labels);

// InvalidArgument for a field that asks of an object what this server does not do.
Result<void> CheckObjectFields(std::string_view json);
Result<void> CheckComposeFields(std::string_view json);

// The version of a policy that has conditions.
inline constexpr int kConditionalPolicy = 3;
std::string PolicyJson(const Policy& policy, const std::string& bucket);
struct PolicyBody {
  Policy policy;
  std::optional<uint64_t> expected_version;  // from its etag
};
// A binding with a condition is refused: granting it without its condition would grant more than was asked.
Result<PolicyBody> ParsePolicyBody(std::string_view json);
std::string TestPermissionsJson(const std::vector<std::string>& granted);

std::string AccountJson(const AccountRow& account);
std::string AccountListJson(const std::vector<std::shared_ptr<const AccountRow>>& accounts);
std::string KeyJson(const AccountRow& account, const KeyRow& key, const std::string* private_key_data);
std::string KeyListJson(const AccountRow& account);
// The key file, as every Google client reads it.
std::string KeyFileJson(const AccountRow& account, const KeyRow& key, const std::string& private_key_pem);
struct AccountBody {
  std::string account_id;
  std::string display_name;
};
Result<AccountBody> ParseAccountBody(std::string_view json);
// {"error": {"code": 409, "message": …, "status": "ALREADY_EXISTS"}}: how the IAM API reports errors.
std::string IamErrorJson(int status, const std::string& message);

// The rules of an access boundary, as a token exchange's `options` have them. InvalidArgument, naming the field.
Result<Boundary> ParseBoundary(std::string_view json);
// Its text without what a reader does not need, so that it is short and one line.
Result<std::string> CompactJson(std::string_view json);
std::string ExchangedTokenJson(const std::string& access_token, int64_t expires_in_s);
struct ImpersonationBody {
  std::vector<std::string> scopes;
  bool delegates = false;  // whether any are named
  std::string lifetime;    // "3600s"; empty: not said
};
Result<ImpersonationBody> ParseImpersonationBody(std::string_view json);
std::string ImpersonationJson(const std::string& access_token, base::SystemTime expires);
std::string TokenJson(const std::string& access_token, int64_t expires_in_s);
// {"error": "invalid_grant", "error_description": …} (RFC 6749 5.2).
std::string TokenErrorJson(const std::string& error, const std::string& description);

}  // namespace seamount::server
