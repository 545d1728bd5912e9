// Buckets and their policies.
#include <algorithm>
#include <utility>

#include "server/handlers.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

// ifMetagenerationMatch and its kin: a bucket has no generations.
Result<Verdict> CheckBucketVersion(const Call& call, const BucketRow& bucket) {
  SEAMOUNT_TRY_ASSIGN(const auto match, UintQuery(call.target, "ifMetagenerationMatch"));
  SEAMOUNT_TRY_ASSIGN(const auto not_match, UintQuery(call.target, "ifMetagenerationNotMatch"));
  if (match && *match != bucket.metageneration) return Verdict::kFailed;
  return not_match && *not_match == bucket.metageneration ? Verdict::kNotModified : Verdict::kHolds;
}

Error VersionDiffers(const BucketRow& bucket) {
  return base::PreconditionFailed("bucket '" + bucket.name + "': a precondition does not hold (its metageneration is " +
                                  std::to_string(bucket.metageneration) + ")");
}

// What is asked to be as it is, is: a client that writes back what it read names all of them.
Result<void> CheckSame(const std::string& asked, const std::string& now, const BucketRow& bucket, const char* field) {
  if (asked.empty() || asked == now) return {};
  return base::InvalidArgument("bucket '" + bucket.name + "': its " + field + " is '" + now + "' for good (not '" +
                               asked + "')");
}

// `whole`: as buckets.update, after which no label is left that it does not name. Who may read does not change by what
// is not said, in either.
Result<void> ApplySettings(BucketBody body, bool whole, BucketRow& bucket) {
  SEAMOUNT_TRY(CheckSame(body.name, bucket.name, bucket, "name"));
  SEAMOUNT_TRY(CheckSame(body.location, bucket.location, bucket, "location"));
  if (!body.storage_class.empty()) bucket.storage_class = std::move(body.storage_class);
  if (body.prevents_public) bucket.policy.prevents_public = *body.prevents_public;
  if (whole || body.clears_labels) bucket.labels.clear();
  for (auto& [key, value] : body.labels) {
    if (value) {
      bucket.labels[key] = *std::move(value);
    } else {
      bucket.labels.erase(key);
    }
  }
  return CheckLabels(bucket.labels);
}

}  // namespace

Result<ServerResponse> ListBuckets(Service& service, Call& call) {
  const std::string prefix(call.target.Query("prefix").value_or(""));
  auto buckets = service.catalog.ListBuckets();
  std::erase_if(buckets, [&](const auto& bucket) { return !bucket->name.starts_with(prefix); });
  // A page's token is the name that the next one begins with.
  const std::string token(call.target.Query("pageToken").value_or(""));
  std::erase_if(buckets, [&](const auto& bucket) { return bucket->name < token; });
  SEAMOUNT_TRY_ASSIGN(const auto max_results, UintQuery(call.target, "maxResults"));
  const size_t count = std::clamp<uint64_t>(max_results.value_or(1000), 1, 1000);  // as Google's
  std::string next = buckets.size() > count ? buckets[count]->name : "";
  if (!next.empty()) buckets.resize(count);
  return JsonResponse(200, BucketListJson(buckets, next, call.base_url));
}

Result<ServerResponse> InsertBucket(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string text, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(BucketBody body, ParseBucketBody(text));
  SEAMOUNT_TRY(CheckBucketName(body.name));
  BucketRow row{.name = body.name,
                .project = std::string(call.target.Query("project").value_or("")),
                .location = body.location.empty() ? "LOCAL" : body.location,
                .storage_class = "STANDARD"};
  body.location = row.location;
  SEAMOUNT_TRY(ApplySettings(std::move(body), true, row));
  auto inserted = service.catalog.InsertBucket(std::move(row));
  if (!inserted && inserted.error().code() == ErrorCode::kPreconditionFailed)
    return ErrorResponse(409, "conflict", inserted.error().message());
  if (!inserted) return std::move(inserted).error();
  return JsonResponse(200, BucketJson(**inserted, call.base_url));
}

Result<ServerResponse> GetBucket(Service&, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const Verdict verdict, CheckBucketVersion(call, *call.bucket));
  if (verdict == Verdict::kFailed) return VersionDiffers(*call.bucket);
  if (verdict == Verdict::kNotModified) return ServerResponse{.status = 304};
  return JsonResponse(200, BucketJson(*call.bucket, call.base_url));
}

Result<ServerResponse> UpdateBucket(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string text, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(const BucketBody body, ParseBucketBody(text));
  const bool whole = call.request.method == "PUT";
  SEAMOUNT_TRY_ASSIGN(const auto updated,
                      service.catalog.UpdateBucket(call.route.bucket, [&](BucketRow& bucket) -> Result<void> {
                        SEAMOUNT_TRY_ASSIGN(const Verdict verdict, CheckBucketVersion(call, bucket));
                        if (verdict != Verdict::kHolds) return VersionDiffers(bucket);
                        return ApplySettings(body, whole, bucket);
                      }));
  return JsonResponse(200, BucketJson(*updated, call.base_url));
}

Result<ServerResponse> DeleteBucket(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const Verdict verdict, CheckBucketVersion(call, *call.bucket));
  if (verdict != Verdict::kHolds) return VersionDiffers(*call.bucket);
  auto deleted = service.catalog.DeleteBucket(call.route.bucket);
  if (!deleted && deleted.error().code() == ErrorCode::kPreconditionFailed)
    return ErrorResponse(409, "conflict", "The bucket you tried to delete is not empty.");
  if (!deleted) return std::move(deleted).error();
  return ServerResponse{.status = 204};
}

Result<ServerResponse> GetBucketPolicy(Service&, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto version, UintQuery(call.target, "optionsRequestedPolicyVersion"));
  // Google hides the conditions then, in names of roles that cannot be set; a refusal says what to do.
  if (call.bucket->policy.conditional() && version.value_or(1) != kConditionalPolicy)
    return base::InvalidArgument("the policy of bucket '" + call.bucket->name +
                                 "' has conditions: ask for it with optionsRequestedPolicyVersion=3");
  return JsonResponse(200, PolicyJson(call.bucket->policy, call.bucket->name));
}

Result<ServerResponse> SetBucketPolicy(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string text, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(PolicyBody body, ParsePolicyBody(text));
  SEAMOUNT_TRY(CheckPolicy(body.policy));
  SEAMOUNT_TRY_ASSIGN(const Policy policy,
                      service.catalog.SetPolicy(call.route.bucket, std::move(body.policy), body.expected_version));
  return JsonResponse(200, PolicyJson(policy, call.bucket->name));
}

Result<ServerResponse> TestBucketPermissions(Service&, Call& call) {
  std::vector<std::string> granted;
  for (const auto& [name, value] : call.target.query)
    if (name == "permissions" && Has(call, value, *call.bucket)) granted.push_back(value);
  // As of a bucket that is not there: nobody is told which there are.
  if (granted.empty() && call.identity.anonymous())
    return Require(call, InfoOf(call.route.operation).name, nullptr).error();
  return JsonResponse(200, TestPermissionsJson(granted));
}

}  // namespace seamount::server
