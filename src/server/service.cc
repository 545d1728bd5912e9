#include "server/service.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.h"
#include "gcs/wire.h"
#include "server/stored_bucket.h"
#include "server/xml_text.h"
#include "store/store.h"

namespace seamount::server {
std::shared_ptr<LiveUpload> LiveUploads::Get(const std::string& id) {
  std::lock_guard lock(mutex_);
  auto& upload = uploads_[id];
  if (!upload) upload = std::make_shared<LiveUpload>();
  return upload;
}

void LiveUploads::Drop(const std::string& id) {
  std::lock_guard lock(mutex_);
  uploads_.erase(id);
}

Result<std::shared_ptr<BucketBackend>> Service::BackendOf(const std::shared_ptr<const BucketRow>& bucket) {
  if (!bucket->is_share) return std::shared_ptr<BucketBackend>(new StoredBucket(catalog, blobs, bucket));
  const auto found = shares.find(bucket->name);
  if (found != shares.end()) return found->second;
  return base::NotFound("The specified bucket does not exist: " + bucket->name +
                        " (it is a share of a folder that this server was not started with)");
}

std::vector<std::string> Service::Origins() const {
  std::vector<std::string> origins;
  if (port == 0) return origins;
  for (const std::string& host : hosts)
    origins.push_back((tls ? "https://" : "http://") + host + ":" + std::to_string(port));
  return origins;
}

std::vector<std::string> Service::EndpointsBeside(const std::string& origin) const {
  std::vector<std::string> all = Origins();
  if (!public_url.empty()) all.push_back(public_url);
  all.push_back(origin);
  std::vector<std::string> found;
  const auto add = [&](const std::string& other) {
    if (other != origin && std::ranges::find(found, other) == found.end()) found.push_back(other);
  };
  for (const std::string& one : all) {
    add(one);
    const auto url = net::ParseUrl(one);
    if (!url || (url->host != "127.0.0.1" && url->host != "localhost")) continue;
    for (const char* name : {"127.0.0.1", "localhost"})  // people say one for the other
      add(url->scheme + "://" + name + ":" + std::to_string(url->port));
  }
  return found;
}

ServerResponse JsonResponse(int status, std::string_view body) {
  ServerResponse response{.status = status};
  response.headers.Add("Content-Type", "application/json; charset=UTF-8");
  response.body = Bytes::Copy(body);
  return response;
}

ServerResponse ErrorResponse(int status, std::string_view reason, const std::string& message) {
  return JsonResponse(status, gcs::EncodeError({status, std::string(reason), message}));
}

ServerResponse Refusal(const Call& call, int status, std::string_view reason, const std::string& message) {
  if (!call.route.xml()) return ErrorResponse(status, reason, message);
  ServerResponse response = XmlResponse(XmlErrorText(status, message));
  response.status = status;
  return response;
}

ServerResponse XmlResponse(std::string_view body) {
  ServerResponse response;
  response.headers.Add("Content-Type", "application/xml; charset=UTF-8");
  response.body = Bytes::Copy(body);
  return response;
}

namespace {

Access AccessTo(const Call& call, const BucketRow* bucket, const std::string& object) {
  return {.policy = bucket ? &bucket->policy : nullptr,
          .bucket = bucket ? bucket->name : "",
          .object = object,
          .list_prefix = "",
          .now = call.now};
}

Result<void> RequireAccess(const Call& call, std::string_view permission, const BucketRow* bucket,
                           const Access& access) {
  if (Authorize(call.identity, permission, access)) return {};
  std::string message = " does not have " + std::string(permission) + " access";
  // The same for every bucket, there or not: who is nobody learns nothing about which there are.
  if (call.identity.anonymous()) return base::Unauthenticated("Anonymous caller" + message + " (send credentials)");
  if (call.identity.reads_only && !IsReading(permission))
    return base::PermissionDenied(call.identity.email + message + ": its token has a scope for reading alone");
  if (bucket && !access.object.empty()) {
    message += " to the object '" + bucket->name + "/" + access.object + "' (or it may not exist)";
  } else if (bucket) {
    message += " to the bucket '" + bucket->name + "' (or it may not exist)";
  }
  if (call.identity.boundary) message += ": its token is narrowed";
  return base::PermissionDenied(call.identity.email + message);
}

}  // namespace

bool Has(const Call& call, std::string_view permission, const BucketRow& bucket, const std::string& object) {
  return Authorize(call.identity, permission, AccessTo(call, &bucket, object));
}

Result<void> Require(const Call& call, std::string_view permission, const BucketRow* bucket,
                     const std::string& object) {
  return RequireAccess(call, permission, bucket, AccessTo(call, bucket, object));
}

Result<void> RequireOfRoute(const Call& call, std::string_view permission, const BucketRow* bucket) {
  Access access = AccessTo(call, bucket, call.route.object);
  const Operation operation = call.route.operation;
  if (operation == Operation::kListObjects || operation == Operation::kXmlListObjects)
    access.list_prefix = std::string(call.target.Query("prefix").value_or(""));
  access.some_object = operation == Operation::kInsertObject || operation == Operation::kResumeUpload;
  return RequireAccess(call, permission, bucket, access);
}

Result<std::string> ReadBody(ServerRequest& request, size_t max_bytes) {
  constexpr size_t kMaxOfStrangers = 64 << 10;
  if (!request.trusted) max_bytes = std::min(max_bytes, kMaxOfStrangers);
  const auto too_large = [&] {
    return base::InvalidArgument("the request body is too large (at most " + std::to_string(max_bytes) + " bytes)");
  };
  if (request.content_length.value_or(0) > max_bytes) return too_large();
  std::string body;
  std::array<std::byte, 16 << 10> buffer;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const size_t got, request.read_body(buffer));
    if (got == 0) return body;
    body.append(reinterpret_cast<const char*>(buffer.data()), got);
    if (body.size() > max_bytes) return too_large();
  }
}

Result<std::optional<uint64_t>> UintQuery(const net::RequestTarget& target, std::string_view name) {
  const auto text = target.Query(name);
  if (!text) return std::optional<uint64_t>();
  const auto value = gcs::ParseUint(*text);
  if (!value) return base::InvalidArgument("parameter " + std::string(name) + ": not a non-negative integer");
  return value;
}

Result<Preconditions> ParsePreconditions(const net::RequestTarget& target, const net::Headers& headers,
                                         std::string_view prefix) {
  Preconditions preconditions;
  const std::string p(prefix);
  SEAMOUNT_TRY_ASSIGN(preconditions.generation_match, UintQuery(target, p + "GenerationMatch"));
  SEAMOUNT_TRY_ASSIGN(preconditions.generation_not_match, UintQuery(target, p + "GenerationNotMatch"));
  SEAMOUNT_TRY_ASSIGN(preconditions.metageneration_match, UintQuery(target, p + "MetagenerationMatch"));
  SEAMOUNT_TRY_ASSIGN(preconditions.metageneration_not_match, UintQuery(target, p + "MetagenerationNotMatch"));
  if (prefix != "if") return preconditions;
  const auto from_header = [&](std::string_view name, std::optional<uint64_t>& into) -> Result<void> {
    const auto text = headers.Get(name);
    if (!text) return {};
    into = gcs::ParseUint(*text);
    if (!into) return base::InvalidArgument("header " + std::string(name) + ": not a non-negative integer");
    return {};
  };
  SEAMOUNT_TRY(from_header("x-goog-if-generation-match", preconditions.generation_match));
  SEAMOUNT_TRY(from_header("x-goog-if-metageneration-match", preconditions.metageneration_match));
  preconditions.etag_match = std::string(headers.Get("if-match").value_or(""));
  preconditions.etag_not_match = std::string(headers.Get("if-none-match").value_or(""));
  return preconditions;
}

std::optional<Span> ResolveRange(std::string_view header, uint64_t size) {
  if (!header.starts_with("bytes=")) return std::nullopt;
  header.remove_prefix(6);
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return std::nullopt;
  const std::string_view first_text = header.substr(0, dash);
  const std::string_view last_text = header.substr(dash + 1);
  const auto last = gcs::ParseUint(last_text);
  if (first_text.empty()) {
    if (!last) return std::nullopt;
    const uint64_t length = std::min(*last, size);
    return Span{size - length, length};
  }
  const auto first = gcs::ParseUint(first_text);
  if (!first || (!last_text.empty() && (!last || *last < *first))) return std::nullopt;
  if (*first >= size) return Span{size, 0};
  const uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return Span{*first, end - *first + 1};
}

bool IsLoopback(std::string_view host) {
  in_addr v4{};
  const bool is_v4 = inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1;
  return host == "localhost" || host == "::1" || (is_v4 && ntohl(v4.s_addr) >> 24 == 127);
}

Result<void> CheckText(std::string_view text, const std::string& what) {
  while (!text.empty()) {
    const size_t length = base::Utf8Length(text);
    if (length == 0) return base::InvalidArgument(what + ": not valid UTF-8");
    if (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7f)
      return base::InvalidArgument(what + ": must not hold control characters");
    text.remove_prefix(length);
  }
  return {};
}

Result<void> CheckObjectName(const std::string& name) { return store::CheckKey(name); }

Result<void> CheckNewObject(const Call& call, const std::string& name) {
  SEAMOUNT_TRY(CheckObjectName(name));
  return Require(call, "storage.objects.create", call.bucket.get(), name);
}

}  // namespace seamount::server
