// Buckets and their policies.
#include <algorithm>
#include <utility>

#include "server/handlers.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

// ifMetagenerationMatch and its kin: a bucket has no generations.
Result<Verdict> CheckBucketVersion(const Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto match, UintQuery(call.target, "ifMetagenerationMatch"));
  SEAMOUNT_TRY_ASSIGN(const auto not_match, UintQuery(call.target, "ifMetagenerationNotMatch"));
  if (match && *match != call.bucket->metageneration) return Verdict::kFailed;
  return not_match && *not_match == call.bucket->metageneration ? Verdict::kNotModified : Verdict::kHolds;
}

Error VersionDiffers(const Call& call) {
  return base::PreconditionFailed("bucket '" + call.bucket->name +
                                  "': a precondition does not hold (its metageneration is " +
                                  std::to_string(call.bucket->metageneration) + ")");
}

std::string OrDefault(std::string text, std::string fallback) { return text.empty() ? std::move(fallback) : text; }

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
  BucketRow row{.name = std::move(body.name),
                .project = std::string(call.target.Query("project").value_or("")),
                .location = OrDefault(std::move(body.location), "LOCAL"),
                .storage_class = OrDefault(std::move(body.storage_class), "STANDARD")};
  auto inserted = service.catalog.InsertBucket(std::move(row));
  if (!inserted && inserted.error().code() == ErrorCode::kPreconditionFailed)
    return ErrorResponse(409, "conflict", inserted.error().message());
  if (!inserted) return std::move(inserted).error();
  return JsonResponse(200, BucketJson(**inserted, call.base_url));
}

Result<ServerResponse> GetBucket(Service&, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const Verdict verdict, CheckBucketVersion(call));
  if (verdict == Verdict::kFailed) return VersionDiffers(call);
  if (verdict == Verdict::kNotModified) return ServerResponse{.status = 304};
  return JsonResponse(200, BucketJson(*call.bucket, call.base_url));
}

Result<ServerResponse> UpdateBucket(Service&, Call&) {
  return base::InvalidArgument("a bucket's settings cannot be changed on this server (its IAM policy can)");
}

Result<ServerResponse> DeleteBucket(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const Verdict verdict, CheckBucketVersion(call));
  if (verdict != Verdict::kHolds) return VersionDiffers(call);
  auto deleted = service.catalog.DeleteBucket(call.route.bucket);
  if (!deleted && deleted.error().code() == ErrorCode::kPreconditionFailed)
    return ErrorResponse(409, "conflict", "The bucket you tried to delete is not empty.");
  if (!deleted) return std::move(deleted).error();
  return ServerResponse{.status = 204};
}

Result<ServerResponse> GetBucketPolicy(Service&, Call& call) {
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
