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
#include "server/request_log.h"
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
    // Clients repeat what is answered by 500 for minutes, and take 404 and 410 for an object that is not there.
    case ErrorCode::kDataLoss: return {422, "dataLoss"};
    case ErrorCode::kCancelled: return {503, "backendError"};
    case ErrorCode::kInternal: return {500, "internalError"};
  }
  return {500, "internalError"};
}

ServerResponse ErrorToResponse(const Error& error, const Route* route, RequestEntry* entry) {
  const HttpError http = HttpErrorOf(error.code());
  // Why a request was refused is what the one who runs the server is asked. That something is absent is no news.
  // Nor is a client that went away in the middle: any stranger could fill the log with it.
  const bool damage = error.code() == ErrorCode::kDataLoss;
  const bool ours = damage || (http.status >= 500 && error.code() != ErrorCode::kUnavailable);
  if (ours) base::Log(damage ? base::LogLevel::kError : base::LogLevel::kWarning, "server: " + error.ToString());
  if (!ours && http.status != 404 && entry) entry->reason = error.message();
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

// By which address the client reached us, as it says, or as our own proxy does. A Host header that is no host and port
// is not believed.
std::string HostUrl(const Service& service, const ServerRequest& request) {
  std::string_view scheme = service.tls ? "https" : "http";
  std::string_view host = request.headers.Get("host").value_or("localhost");
  if (!service.proxy.empty() && request.peer_address == service.proxy) {
    if (request.headers.Get("x-forwarded-proto") == "https") scheme = "https";
    host = request.headers.Get("x-forwarded-host").value_or(host);
  }
  const bool good = std::all_of(host.begin(), host.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view(".-:[]_").find(c) != std::string_view::npos;
  });
  return std::string(scheme) + "://" + (good ? std::string(host) : "localhost");
}

// Clients whose proxies know no PATCH write it into a header of a POST.
void ApplyMethodOverride(ServerRequest& request) {
  const auto method = request.headers.Get("x-http-method-override");
  const bool json = request.target.starts_with("/storage/v1/") || request.target.starts_with("/v1/");
  if (!method || request.method != "POST" || !json) return;
  if (*method == "PATCH" || *method == "PUT" || *method == "DELETE" || *method == "GET")
    request.method = std::string(*method);
}

using Handler = Result<ServerResponse> (*)(Service&, Call&);

// What a load balancer or a service manager asks; nobody need be known for it.
Result<ServerResponse> Health(Service&, Call&) { return JsonResponse(200, "{\"status\":\"ok\"}"); }

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
    case Operation::kHealth: return Health;
    case Operation::kToken: return GrantToken;
    case Operation::kInsertAccount: return InsertAccount;
    case Operation::kListAccounts: return ListAccounts;
    case Operation::kGetAccount: return GetAccount;
    case Operation::kDeleteAccount: return DeleteAccount;
    case Operation::kDisableAccount: return SetAccountDisabled;
    case Operation::kEnableAccount: return SetAccountDisabled;
    case Operation::kGenerateAccessToken: return GenerateAccessToken;
    case Operation::kInsertKey: return InsertKey;
    case Operation::kListKeys: return ListKeys;
    case Operation::kGetKey: return GetKey;
    case Operation::kDeleteKey: return DeleteKey;
  }
  return nullptr;
}

}  // namespace

// Of a share nothing changes but who may read it; one that is not served now can only be forgotten.
Result<void> Api::FindBackend(Call& call, const OperationInfo& info) {
  const bool on_objects = info.permission.starts_with("storage.objects.");
  if (!call.bucket || !(on_objects || call.bucket->is_share)) return {};
  auto backend = service_.BackendOf(call.bucket);
  if (!backend && on_objects) return std::move(backend).error();
  if (backend) call.backend = *std::move(backend);
  const bool reads = info.permission == "storage.objects.get" || info.permission == "storage.objects.list";
  const bool changes = (on_objects && !reads) || (call.backend && call.route.operation == Operation::kDeleteBucket);
  if (!call.bucket->is_share || !changes) return {};
  return IsReadOnly(call.bucket->name);
}

Result<ServerResponse> Api::Dispatch(Call& call) {
  const OperationInfo& info = InfoOf(call.route.operation);
  if (!call.route.bucket.empty()) {
    call.bucket = service_.catalog.FindBucket(call.route.bucket);
    if (!call.bucket) {
      // Who is nobody learns nothing about which buckets there are.
      const std::string_view permission = info.permission.empty() ? info.name : info.permission;
      if (call.identity.anonymous()) SEAMOUNT_TRY(Require(call, permission, nullptr));
      return base::NotFound("The specified bucket does not exist: " + call.route.bucket);
    }
  }
  if (!info.permission.empty())
    SEAMOUNT_TRY(RequireOfRoute(call, info.permission, info.on_bucket ? call.bucket.get() : nullptr));
  SEAMOUNT_TRY(FindBackend(call, info));
  SEAMOUNT_TRY(CheckParameters(call.route, call.target, call.request.headers));
  if (call.route.operation == Operation::kBatch)
    return Batch(call, [this](ServerRequest& request) { return Answer(request, nullptr); });
  return HandlerOf(call.route.operation)(service_, call);
}

ServerResponse Api::Answer(ServerRequest& request, RequestEntry* entry) {
  ApplyMethodOverride(request);
  const auto target = net::ParseTarget(request.target);
  if (!target) return ErrorToResponse(target.error(), nullptr, entry);
  const auto route = MatchRoute(request.method, *target);
  if (!route) return ErrorToResponse(route.error(), nullptr, entry);
  std::string host_url = HostUrl(service_, request);
  Result<Identity> identity = Identity{};
  const bool for_anybody = route->operation == Operation::kToken || route->operation == Operation::kHealth;
  if (!for_anybody) identity = Authenticate(service_, request, host_url);
  if (!identity) return ErrorToResponse(identity.error(), &*route, entry);
  if (!identity->anonymous()) request.Trust();
  if (entry) entry->account = identity->email;
  std::string base_url = service_.public_url.empty() ? host_url : service_.public_url;
  Call call{request, *target, *route, *std::move(identity), std::move(base_url), std::move(host_url), nullptr};
  call.now = service_.clock.WallNow();
  return AnswerWithFault(service_, request, InfoOf(route->operation).name, [&]() -> ServerResponse {
    auto response = Dispatch(call);
    return response ? *std::move(response) : ErrorToResponse(response.error(), &*route, entry);
  });
}

ServerResponse Api::Handle(ServerRequest& request) {
  const auto start = service_.clock.Now();
  // The path alone: queries can hold session ids, headers hold tokens.
  RequestEntry entry{.peer = request.peer_address,
                     .account = "",
                     .method = request.method,
                     .path = request.target.substr(0, request.target.find('?'))};
  ServerResponse response;
  try {
    response = Answer(request, &entry);
  } catch (const std::exception& error) {  // out of memory: this request fails, the server goes on
    response = ErrorToResponse(base::Unavailable(std::string("handling a request: ") + error.what()), nullptr, &entry);
  }
  if (service_.request_log == nullptr) return response;
  response.on_sent = [this, start, entry = std::move(entry)](int status, uint64_t sent) mutable {
    entry.status = status;
    entry.bytes = sent;
    entry.took = service_.clock.Now() - start;
    service_.request_log->Add(entry);
  };
  return response;
}

}  // namespace seamount::server
