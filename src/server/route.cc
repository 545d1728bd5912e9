#include "server/route.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/text.h"

namespace seamount::server {
namespace {

using Segments = std::span<const std::string>;

Error NoSuchPath() { return base::NotFound("no such path on this server"); }
Error NoSuchMethod(std::string_view method) {
  return base::InvalidArgument("method " + std::string(method) + " is not supported here");
}

Result<Route> BucketRoute(std::string_view method, const std::string& bucket, Segments rest) {
  if (rest.empty()) {
    if (method == "GET") return Route{.operation = Operation::kGetBucket, .bucket = bucket};
    if (method == "PATCH" || method == "PUT") return Route{.operation = Operation::kUpdateBucket, .bucket = bucket};
    if (method == "DELETE") return Route{.operation = Operation::kDeleteBucket, .bucket = bucket};
    return NoSuchMethod(method);
  }
  if (rest[0] != "iam") return NoSuchPath();
  if (rest.size() == 1) {
    if (method == "GET") return Route{.operation = Operation::kGetBucketPolicy, .bucket = bucket};
    if (method == "PUT") return Route{.operation = Operation::kSetBucketPolicy, .bucket = bucket};
    return NoSuchMethod(method);
  }
  if (rest.size() == 2 && rest[1] == "testPermissions" && method == "GET")
    return Route{.operation = Operation::kTestBucketPermissions, .bucket = bucket};
  return NoSuchPath();
}

Result<Route> ObjectRoute(std::string_view method, const std::string& bucket, Segments rest) {
  Route route{.operation = Operation::kGetObject, .bucket = bucket, .object = rest[0]};
  if (rest.size() == 1) {
    if (method == "GET" || method == "HEAD") return route;
    if (method == "PATCH") route.operation = Operation::kUpdateObject;
    if (method == "PUT") route.operation = Operation::kReplaceObjectMetadata;
    if (method == "DELETE") route.operation = Operation::kDeleteObject;
    if (route.operation == Operation::kGetObject) return NoSuchMethod(method);
    return route;
  }
  if (method != "POST") return NoSuchPath();
  if (rest.size() == 2 && rest[1] == "compose") {
    route.operation = Operation::kComposeObject;
    return route;
  }
  const bool copies = rest.size() == 6 && (rest[1] == "rewriteTo" || rest[1] == "copyTo");
  if (copies && rest[2] == "b" && rest[4] == "o") {
    route.operation = rest[1] == "rewriteTo" ? Operation::kRewriteObject : Operation::kCopyObject;
    route.to_bucket = rest[3];
    route.to_object = rest[5];
    return route;
  }
  if (rest.size() == 4 && rest[1] == "moveTo" && rest[2] == "o") {
    route.operation = Operation::kMoveObject;
    route.to_bucket = bucket;
    route.to_object = rest[3];
    return route;
  }
  return NoSuchPath();
}

// What follows /storage/v1 (or nothing): b, b/BUCKET/…, b/BUCKET/o/….
Result<Route> StorageRoute(std::string_view method, Segments rest) {
  if (rest.empty() || rest[0] != "b") return NoSuchPath();
  if (rest.size() == 1) {
    if (method == "GET") return Route{.operation = Operation::kListBuckets};
    if (method == "POST") return Route{.operation = Operation::kInsertBucket};
    return NoSuchMethod(method);
  }
  if (rest.size() == 2 || rest[2] != "o") return BucketRoute(method, rest[1], rest.subspan(2));
  if (rest.size() == 3) {
    if (method == "GET") return Route{.operation = Operation::kListObjects, .bucket = rest[1]};
    return NoSuchMethod(method);
  }
  return ObjectRoute(method, rest[1], rest.subspan(3));
}

// …/b/BUCKET/o under /upload.
Result<Route> UploadRoute(std::string_view method, Segments rest, const net::RequestTarget& target) {
  if (rest.size() != 3 || rest[0] != "b" || rest[2] != "o") return NoSuchPath();
  if (target.Query("upload_id")) return Route{.operation = Operation::kResumeUpload, .bucket = rest[1]};
  if (method != "POST" && method != "PUT") return NoSuchMethod(method);
  return Route{.operation = Operation::kInsertObject, .bucket = rest[1]};
}

Result<Route> KeyRoute(std::string_view method, Route route, Segments rest) {
  if (rest.empty()) {
    if (method != "POST" && method != "GET") return NoSuchMethod(method);
    route.operation = method == "POST" ? Operation::kInsertKey : Operation::kListKeys;
    return route;
  }
  if (rest.size() != 1) return NoSuchPath();
  if (method != "GET" && method != "DELETE") return NoSuchMethod(method);
  route.operation = method == "GET" ? Operation::kGetKey : Operation::kDeleteKey;
  route.key = rest[0];
  return route;
}

// What follows /v1/projects: PROJECT/serviceAccounts[/EMAIL[:verb][/keys[/KEY]]].
Result<Route> IamRoute(std::string_view method, Segments rest) {
  if (rest.size() < 2 || rest[1] != "serviceAccounts") return NoSuchPath();
  Route route{.operation = Operation::kGetAccount, .project = rest[0]};
  if (rest.size() == 2) {
    if (method != "POST" && method != "GET") return NoSuchMethod(method);
    route.operation = method == "POST" ? Operation::kInsertAccount : Operation::kListAccounts;
    return route;
  }
  route.email = rest[2];
  if (rest.size() > 3) return rest[3] == "keys" ? KeyRoute(method, route, rest.subspan(4)) : NoSuchPath();
  if (const size_t colon = route.email.find(':'); colon != std::string::npos) {
    const std::string verb = route.email.substr(colon + 1);
    static constexpr std::pair<std::string_view, Operation> kVerbs[] = {
        {"disable", Operation::kDisableAccount},
        {"enable", Operation::kEnableAccount},
        {"generateAccessToken", Operation::kGenerateAccessToken}};
    const auto found =
        std::find_if(std::begin(kVerbs), std::end(kVerbs), [&](const auto& v) { return v.first == verb; });
    if (method != "POST" || found == std::end(kVerbs)) return NoSuchPath();
    route.operation = found->second;
    route.email.resize(colon);
    return route;
  }
  if (method == "DELETE") route.operation = Operation::kDeleteAccount;
  if (method != "DELETE" && method != "GET") return NoSuchMethod(method);
  return route;
}

// What a method does to /BUCKET/OBJECT; a parameter turns it into a step of an upload in parts.
Result<Operation> XmlObjectOperation(std::string_view method, const net::RequestTarget& target) {
  const bool of_upload = target.Query("uploadId").has_value();
  if (method == "POST" && target.Query("uploads")) return Operation::kXmlStartUpload;
  if (method == "POST" && of_upload) return Operation::kXmlFinishUpload;
  if (method == "PUT") return of_upload ? Operation::kXmlPutPart : Operation::kXmlPutObject;
  if (method == "DELETE") return of_upload ? Operation::kXmlAbortUpload : Operation::kXmlDeleteObject;
  if ((method == "GET" || method == "HEAD") && !of_upload) return Operation::kXmlGetObject;
  return NoSuchMethod(method);
}

// /BUCKET and /BUCKET/OBJECT, whose slashes need no escape.
Result<Route> XmlRoute(std::string_view method, Segments all, const net::RequestTarget& target) {
  Route route{.operation = Operation::kXmlListObjects, .bucket = all[0]};
  const std::vector<std::string> parts(all.begin() + 1, all.end());
  route.object = base::Join(parts, "/");
  if (route.bucket.empty()) return NoSuchPath();
  if (!route.object.empty()) {
    SEAMOUNT_TRY_ASSIGN(route.operation, XmlObjectOperation(method, target));
    return route;
  }
  // Other subresources of a bucket, as ?acl, are refused with their parameter's name.
  if (method != "GET" && method != "HEAD") return NoSuchMethod(method);
  return route;
}

bool TakePrefix(Segments& segments, std::initializer_list<std::string_view> prefix) {
  if (segments.size() < prefix.size()) return false;
  size_t i = 0;
  for (std::string_view part : prefix)
    if (segments[i++] != part) return false;
  segments = segments.subspan(prefix.size());
  return true;
}

}  // namespace

const OperationInfo& InfoOf(Operation operation) {
  static const auto infos = [] {
    std::vector<std::pair<Operation, OperationInfo>> table = {
        {Operation::kListBuckets, {"storage.buckets.list", "storage.buckets.list", false}},
        {Operation::kInsertBucket, {"storage.buckets.insert", "storage.buckets.create", false}},
        {Operation::kGetBucket, {"storage.buckets.get", "storage.buckets.get"}},
        {Operation::kUpdateBucket, {"storage.buckets.patch", "storage.buckets.update"}},
        {Operation::kDeleteBucket, {"storage.buckets.delete", "storage.buckets.delete"}},
        {Operation::kGetBucketPolicy, {"storage.buckets.getIamPolicy", "storage.buckets.getIamPolicy"}},
        {Operation::kSetBucketPolicy, {"storage.buckets.setIamPolicy", "storage.buckets.setIamPolicy"}},
        {Operation::kTestBucketPermissions, {"storage.buckets.testIamPermissions", ""}},
        {Operation::kListObjects, {"storage.objects.list", "storage.objects.list"}},
        {Operation::kInsertObject, {"storage.objects.insert", "storage.objects.create"}},
        {Operation::kResumeUpload, {"storage.objects.insert", "storage.objects.create"}},
        {Operation::kGetObject, {"storage.objects.get", "storage.objects.get"}},
        {Operation::kUpdateObject, {"storage.objects.patch", "storage.objects.update"}},
        {Operation::kReplaceObjectMetadata, {"storage.objects.update", "storage.objects.update"}},
        {Operation::kDeleteObject, {"storage.objects.delete", "storage.objects.delete"}},
        {Operation::kComposeObject, {"storage.objects.compose", "storage.objects.create"}},
        {Operation::kRewriteObject, {"storage.objects.rewrite", "storage.objects.get"}},
        {Operation::kCopyObject, {"storage.objects.copy", "storage.objects.get"}},
        {Operation::kMoveObject, {"storage.objects.move", "storage.objects.delete"}},
        {Operation::kXmlGetObject, {"storage.objects.get", "storage.objects.get"}},
        {Operation::kXmlPutObject, {"storage.objects.insert", "storage.objects.create"}},
        {Operation::kXmlDeleteObject, {"storage.objects.delete", "storage.objects.delete"}},
        {Operation::kXmlListObjects, {"storage.objects.list", "storage.objects.list"}},
        {Operation::kXmlStartUpload, {"storage.objects.insert", "storage.objects.create"}},
        {Operation::kXmlPutPart, {"storage.objects.insert", "storage.objects.create"}},
        {Operation::kXmlFinishUpload, {"storage.objects.insert", "storage.objects.create"}},
        {Operation::kXmlAbortUpload, {"storage.objects.insert", "storage.objects.create"}},
        {Operation::kBatch, {"batch", ""}},
        {Operation::kRetryTest, {"retry_test", ""}},
        {Operation::kHealth, {"health", ""}},
        {Operation::kToken, {"token", ""}},
        {Operation::kInsertAccount, {"iam.serviceAccounts.create", "iam.serviceAccounts.create", false}},
        {Operation::kListAccounts, {"iam.serviceAccounts.list", "iam.serviceAccounts.list", false}},
        {Operation::kGetAccount, {"iam.serviceAccounts.get", "iam.serviceAccounts.get", false}},
        {Operation::kDeleteAccount, {"iam.serviceAccounts.delete", "iam.serviceAccounts.delete", false}},
        {Operation::kDisableAccount, {"iam.serviceAccounts.disable", "iam.serviceAccounts.disable", false}},
        {Operation::kEnableAccount, {"iam.serviceAccounts.enable", "iam.serviceAccounts.enable", false}},
        {Operation::kGenerateAccessToken,
         {"iam.serviceAccounts.generateAccessToken", "iam.serviceAccounts.getAccessToken", false}},
        {Operation::kInsertKey, {"iam.serviceAccountKeys.create", "iam.serviceAccountKeys.create", false}},
        {Operation::kListKeys, {"iam.serviceAccountKeys.list", "iam.serviceAccountKeys.list", false}},
        {Operation::kGetKey, {"iam.serviceAccountKeys.get", "iam.serviceAccountKeys.get", false}},
        {Operation::kDeleteKey, {"iam.serviceAccountKeys.delete", "iam.serviceAccountKeys.delete", false}},
    };
    std::vector<OperationInfo> by_operation(table.size());
    for (auto& [key, info] : table) by_operation.at(static_cast<size_t>(key)) = info;
    return by_operation;
  }();
  return infos[static_cast<size_t>(operation)];
}

Result<Route> MatchRoute(std::string_view method, const net::RequestTarget& target) {
  SEAMOUNT_TRY_ASSIGN(const std::vector<std::string> all, target.Segments());
  Segments rest(all);
  if (TakePrefix(rest, {"token"}) || TakePrefix(rest, {"v1", "token"})) {
    if (!rest.empty()) return NoSuchPath();
    if (method != "POST") return NoSuchMethod(method);
    return Route{.operation = Operation::kToken};
  }
  if (TakePrefix(rest, {"batch"})) {
    if (method != "POST") return NoSuchMethod(method);
    return Route{.operation = Operation::kBatch};
  }
  if (TakePrefix(rest, {"retry_test"})) {
    if (rest.size() > 1) return NoSuchPath();
    return Route{.operation = Operation::kRetryTest, .key = rest.empty() ? "" : rest[0]};
  }
  if (all.size() == 1 && all[0] == "health" && method == "GET") return Route{.operation = Operation::kHealth};
  if (TakePrefix(rest, {"v1", "projects"})) return IamRoute(method, rest);
  if (TakePrefix(rest, {"resumable", "upload", "storage", "v1"}) || TakePrefix(rest, {"upload", "storage", "v1"}))
    return UploadRoute(method, rest, target);
  if (TakePrefix(rest, {"storage", "v1"}) || TakePrefix(rest, {"download", "storage", "v1"}))
    return StorageRoute(method, rest);
  if (!rest.empty() && rest[0] == "b") return StorageRoute(method, rest);
  return XmlRoute(method, rest, target);
}

}  // namespace seamount::server
