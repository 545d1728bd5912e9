#include "server/api.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "server/handlers.h"
#include "server/json_text.h"
#include "server/parameters.h"
#include "server/xml_text.h"

namespace seamount::server {
namespace {

struct HttpError {
  int status;
  std::string_view reason;
};

// The one place where an error becomes a status.
HttpError HttpErrorOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return {404, "notFound"};
    case ErrorCode::kPreconditionFailed: return {412, "conditionNotMet"};
    case ErrorCode::kPermissionDenied: return {403, "forbidden"};
    case ErrorCode::kUnauthenticated: return {401, "authError"};
    case ErrorCode::kUnavailable: return {503, "backendError"};
    case ErrorCode::kResourceExhausted: return {507, "insufficientStorage"};
    case ErrorCode::kInvalidArgument: return {400, "invalid"};
    case ErrorCode::kDataLoss: return {500, "internalError"};
    case ErrorCode::kCancelled: return {503, "backendError"};
    case ErrorCode::kInternal: return {500, "internalError"};
  }
  return {500, "internalError"};
}

ServerResponse ErrorToResponse(const Error& error, const Route* route) {
  const HttpError http = HttpErrorOf(error.code());
  // Why a request was refused is what the one who runs the server is asked. That something is absent is no news.
  if (http.status >= 500) base::Log(base::LogLevel::kWarning, "server: " + error.ToString());
  if (http.status < 500 && http.status != 404) base::Log(base::LogLevel::kInfo, "server: refused: " + error.ToString());
  ServerResponse response;
  if (route && route->iam()) {
    response = JsonResponse(http.status, IamErrorJson(http.status, error.message()));
  } else if (route && route->xml()) {
    response = XmlResponse(XmlErrorText(http.status, error.message()));
    response.status = http.status;
  } else {
    response = ErrorResponse(http.status, http.reason, error.message());
  }
  if (http.status == 401) response.headers.Add("WWW-Authenticate", "Bearer realm=\"seamount\"");
  return response;
}

// By which address the client reached us. A Host header that is no host and port is not believed.
std::string BaseUrl(const ServerRequest& request, bool tls) {
  const std::string_view host = request.headers.Get("host").value_or("localhost");
  const bool good = std::all_of(host.begin(), host.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view(".-:[]_").find(c) != std::string_view::npos;
  });
  return std::string(tls ? "https://" : "http://") + (good ? std::string(host) : "localhost");
}

using Handler = Result<ServerResponse> (*)(Service&, Call&);

Handler HandlerOf(Operation operation) {
  switch (operation) {
    case Operation::kListBuckets: return ListBuckets;
    case Operation::kInsertBucket: return InsertBucket;
    case Operation::kGetBucket: return GetBucket;
    case Operation::kUpdateBucket: return UpdateBucket;
    case Operation::kDeleteBucket: return DeleteBucket;
    case Operation::kGetBucketPolicy: return GetBucketPolicy;
    case Operation::kSetBucketPolicy: return SetBucketPolicy;
    case Operation::kTestBucketPermissions: return TestBucketPermissions;
    case Operation::kListObjects: return ListObjects;
    case Operation::kInsertObject: return InsertObject;
    case Operation::kResumeUpload: return ResumeUpload;
    case Operation::kGetObject: return GetObject;
    case Operation::kUpdateObject: return UpdateObject;
    case Operation::kReplaceObjectMetadata: return UpdateObject;
    case Operation::kDeleteObject: return DeleteObject;
    case Operation::kComposeObject: return ComposeObject;
    case Operation::kRewriteObject: return CopyObject;
    case Operation::kCopyObject: return CopyObject;
    case Operation::kMoveObject: return MoveObject;
    case Operation::kXmlGetObject: return XmlGetObject;
    case Operation::kXmlPutObject: return XmlPutObject;
    case Operation::kXmlDeleteObject: return DeleteObject;
    case Operation::kXmlListObjects: return XmlListObjects;
    case Operation::kXmlStartUpload: return XmlStartUpload;
    case Operation::kXmlPutPart: return XmlPutPart;
    case Operation::kXmlFinishUpload: return XmlFinishUpload;
    case Operation::kXmlAbortUpload: return XmlAbortUpload;
    case Operation::kBatch: return nullptr;  // Dispatch hands it the way back to Answer
    case Operation::kRetryTest: return RetryTest;
    case Operation::kToken: return GrantToken;
    case Operation::kInsertAccount: return InsertAccount;
    case Operation::kListAccounts: return ListAccounts;
    case Operation::kGetAccount: return GetAccount;
    case Operation::kDeleteAccount: return DeleteAccount;
    case Operation::kDisableAccount: return SetAccountDisabled;
    case Operation::kEnableAccount: return SetAccountDisabled;
    case Operation::kInsertKey: return InsertKey;
    case Operation::kListKeys: return ListKeys;
    case Operation::kGetKey: return GetKey;
    case Operation::kDeleteKey: return DeleteKey;
  }
  return nullptr;
}

}  // namespace

Result<ServerResponse> Api::Dispatch(Call& call) {
  const OperationInfo& info = InfoOf(call.route.operation);
  if (!call.route.bucket.empty()) {
    call.bucket = service_.catalog.FindBucket(call.route.bucket);
    if (!call.bucket) {
      // Who is nobody learns nothing about which buckets there are.
      if (call.identity.anonymous()) SEAMOUNT_TRY(Require(call, info.permission, nullptr));
      return base::NotFound("The specified bucket does not exist: " + call.route.bucket);
    }
  }
  if (!info.permission.empty())
    SEAMOUNT_TRY(Require(call, info.permission, info.on_bucket ? call.bucket.get() : nullptr));
  SEAMOUNT_TRY(CheckParameters(call.route, call.target, call.request.headers));
  if (call.route.operation == Operation::kBatch)
    return Batch(call, [this](ServerRequest& request) { return Answer(request); });
  return HandlerOf(call.route.operation)(service_, call);
}

ServerResponse Api::Answer(ServerRequest& request) {
  const auto target = net::ParseTarget(request.target);
  if (!target) return ErrorToResponse(target.error(), nullptr);
  const auto route = MatchRoute(request.method, *target);
  if (!route) return ErrorToResponse(route.error(), nullptr);
  std::string base_url = BaseUrl(request, service_.tls);
  Result<Identity> identity = Identity{};
  if (route->operation != Operation::kToken) identity = Authenticate(service_, request, base_url);
  if (!identity) return ErrorToResponse(identity.error(), &*route);
  Call call{request, *target, *route, *std::move(identity), std::move(base_url), nullptr};
  return AnswerWithFault(service_, request, InfoOf(route->operation).name, [&]() -> ServerResponse {
    auto response = Dispatch(call);
    return response ? *std::move(response) : ErrorToResponse(response.error(), &*route);
  });
}

ServerResponse Api::Handle(ServerRequest& request) {
  const auto start = service_.clock.Now();
  ServerResponse response;
  try {
    response = Answer(request);
  } catch (const std::exception& error) {  // out of memory: this request fails, the server goes on
    response = ErrorToResponse(base::Unavailable(std::string("handling a request: ") + error.what()), nullptr);
  }
  if (!base::LogEnabled(base::LogLevel::kInfo)) return response;
  // The path alone: queries can hold session ids, headers hold tokens.
  std::string line = request.peer_address + " " + request.method + " " +
                     request.target.substr(0, request.target.find('?')) + " " + std::to_string(response.status) + " ";
  response.on_sent = [this, start, line = std::move(line)](uint64_t sent) {
    base::Log(base::LogLevel::kInfo,
              line + base::FormatBytes(sent) + " " + base::FormatDuration(service_.clock.Now() - start));
  };
  return response;
}

}  // namespace seamount::server
