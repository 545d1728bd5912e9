// The retry-test API, and calls that go wrong by it.
#include <algorithm>
#include <utility>

#include "gcs/wire.h"
#include "server/handlers.h"

namespace seamount::server {
namespace {

// Where in an upload the request's body begins.
uint64_t OffsetOfBody(const ServerRequest& request) {
  const auto header = request.headers.Get("content-range");
  const auto range = header ? gcs::ParseContentRange(*header) : Result<gcs::ContentRange>(gcs::ContentRange{});
  return range && range->span ? range->span->first : 0;
}

// Calls `at_limit` once, when `limit` bytes of the body have been read, before more are; its error ends the body.
void InterruptBody(ServerRequest& request, uint64_t limit, std::function<Result<void>()> at_limit) {
  request.read_body = [inner = std::move(request.read_body), left = limit, at_limit = std::move(at_limit),
                       over = false](std::span<std::byte> into) mutable -> Result<size_t> {
    if (left == 0 && !over) {
      over = true;
      SEAMOUNT_TRY(at_limit());
    }
    if (!over) into = into.first(std::min<uint64_t>(into.size(), left));
    auto got = inner(into);
    if (got && !over) left -= *got;
    return got;
  };
}

uint64_t BodyBytes(const ServerResponse& response) {
  return response.file ? response.file->length : response.body.size();
}

ServerResponse StatusResponse(int status) {
  return ErrorResponse(status, "backendError", "Retry Test: Caused a " + std::to_string(status));
}

}  // namespace

Result<ServerResponse> RetryTest(Service& service, Call& call) {
  if (!service.faults) return base::NotFound("no such path on this server");
  if (call.request.method == "POST" && call.route.key.empty()) {
    SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request));
    SEAMOUNT_TRY_ASSIGN(const std::string test, service.faults->Create(body));
    return JsonResponse(200, test);
  }
  const auto test = service.faults->Describe(call.route.key);
  if (!test) return base::NotFound("no such retry test");
  if (call.request.method == "GET") return JsonResponse(200, *test);
  if (call.request.method != "DELETE") return base::InvalidArgument("retry test: expected GET or DELETE");
  service.faults->Delete(call.route.key);
  return JsonResponse(200, "{}");
}

ServerResponse AnswerWithFault(Service& service, ServerRequest& request, std::string_view operation,
                               const std::function<ServerResponse()>& answer) {
  const std::string id(request.headers.Get("x-retry-test-id").value_or(""));
  const auto fault = service.faults ? service.faults->Next(id, operation) : std::nullopt;
  if (!fault) return answer();
  const auto take = [&] { service.faults->Take(id, operation); };
  const uint64_t offset = OffsetOfBody(request);
  const uint64_t left = fault->after_bytes - std::min(fault->after_bytes, offset);
  bool interrupted = false;
  switch (fault->kind) {
    case Fault::Kind::kStatus: take(); return StatusResponse(fault->status);
    case Fault::Kind::kReset: take(); return {.fault = ServerResponse::Fault{.reset = true, .without_head = true}};
    case Fault::Kind::kStatusInBody:
      InterruptBody(request, left, [&]() -> Result<void> {
        interrupted = true;
        return base::Unavailable("a fault that a test asked for");
      });
      break;
    case Fault::Kind::kStall:
      InterruptBody(request, left, [&]() -> Result<void> {
        interrupted = true;
        service.clock.SleepFor(fault->stall, {});
        return {};
      });
      break;
    case Fault::Kind::kBrokenStream:
    case Fault::Kind::kBrokenFinal: break;
  }
  ServerResponse response = answer();
  const bool long_enough = response.status < 300 && BodyBytes(response) >= fault->after_bytes;
  const bool final =
      request.target.find("upload_id=") != std::string::npos && !response.headers.Get("X-Http-Status-Code-Override");
  const bool breaks = (fault->kind == Fault::Kind::kBrokenStream && long_enough && BodyBytes(response) > 0) ||
                      (fault->kind == Fault::Kind::kBrokenFinal && long_enough && final);
  const bool stalls = fault->kind == Fault::Kind::kStall && !interrupted && long_enough && request.method == "GET";
  if (interrupted || breaks || stalls) take();
  if (interrupted && fault->kind == Fault::Kind::kStatusInBody) return StatusResponse(fault->status);
  if (breaks || stalls)
    response.fault = ServerResponse::Fault{.after_bytes = fault->after_bytes, .stall = fault->stall, .reset = breaks};
  return response;
}

}  // namespace seamount::server
