// Buckets and their policies.
#include <utility>

#include "server/handlers.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

std::string OrDefault(std::string text, std::string fallback) { return text.empty() ? std::move(fallback) : text; }

}  // namespace

Result<ServerResponse> ListBuckets(Service& service, Call& call) {
  const std::string prefix(call.target.Query("prefix").value_or(""));
  auto buckets = service.catalog.ListBuckets();
  std::erase_if(buckets, [&](const auto& bucket) { return !bucket->name.starts_with(prefix); });
  return JsonResponse(200, BucketListJson(buckets, call.base_url));
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
  return JsonResponse(200, BucketJson(*call.bucket, call.base_url));
}

Result<ServerResponse> UpdateBucket(Service&, Call&) {
  return base::InvalidArgument("a bucket's settings cannot be changed on this server (its IAM policy can)");
}

Result<ServerResponse> DeleteBucket(Service& service, Call& call) {
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
  return JsonResponse(200, TestPermissionsJson(granted));
}

}  // namespace seamount::server
