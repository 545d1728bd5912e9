// Which operation a request asks for: a pure function of its method and path, and the table of what each operation is
// called and which permission it needs.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/url.h"

namespace seamount::server {

enum class Operation {
  kListBuckets,
  kInsertBucket,
  kGetBucket,
  kUpdateBucket,
  kDeleteBucket,
  kGetBucketPolicy,
  kSetBucketPolicy,
  kTestBucketPermissions,
  kListObjects,
  kInsertObject,           // media, multipart, or the start of a resumable upload: uploadType says which
  kResumeUpload,           // the parts of one, its status query and its end
  kGetObject,              // metadata, or content with alt=media
  kUpdateObject,           // PATCH
  kReplaceObjectMetadata,  // PUT
  kDeleteObject,
  kComposeObject,
  kRewriteObject,
  kCopyObject,
  kMoveObject,
  kXmlGetObject,  // GET and HEAD /bucket/object
  kXmlPutObject,
  kXmlDeleteObject,
  kXmlListObjects,  // GET and HEAD /bucket
  kXmlStartUpload,  // an upload in parts: POST ?uploads, PUT ?partNumber, POST and DELETE ?uploadId
  kXmlPutPart,
  kXmlFinishUpload,
  kXmlAbortUpload,
  kBatch,
  kRetryTest,  // /retry_test, of servers for tests
  kHealth,     // GET /health: it runs
  kToken,
  kInsertAccount,
  kListAccounts,
  kGetAccount,
  kDeleteAccount,
  kDisableAccount,
  kEnableAccount,
  kGenerateAccessToken,
  kInsertKey,
  kListKeys,
  kGetKey,
  kDeleteKey,
};

struct OperationInfo {
  std::string_view name;        // "storage.objects.get"
  std::string_view permission;  // empty: no permission of its own; the operation decides itself
  bool on_bucket = true;        // whether the permission is the bucket's to grant
};
const OperationInfo& InfoOf(Operation operation);

struct Route {
  Operation operation;
  std::string bucket;
  std::string object;
  std::string to_bucket;
  std::string to_object;
  std::string project;
  std::string email;
  std::string key;
  bool xml() const { return operation >= Operation::kXmlGetObject && operation <= Operation::kXmlAbortUpload; }
  bool iam() const { return operation >= Operation::kInsertAccount; }
};

// NotFound for a path, InvalidArgument for a method or spelling that this server does not know.
Result<Route> MatchRoute(std::string_view method, const net::RequestTarget& target);

}  // namespace seamount::server
