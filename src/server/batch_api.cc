// Batches (https://cloud.google.com/storage/docs/batch): requests as the parts of one multipart/mixed body, answered
// in order. Each is handled as if it had come alone, so it is authenticated and authorised alone.
#include <algorithm>
#include <cstring>
#include <utility>

#include "server/handlers.h"
#include "server/multipart.h"

namespace seamount::server {
namespace {

constexpr size_t kMaxRequests = 1000;  // clients send at most 100
// Of all requests, which are held in memory, and of all answers: Google's limit. Requests whose answer would go beyond
// it are not carried out.
constexpr size_t kMaxBatchBytes = 10 << 20;
// The same where nobody says who asks, but perhaps in the parts: what strangers can make the server hold is little.
constexpr size_t kMaxStrangersBytes = 256 << 10;

struct BatchPart {
  std::string content_id;
  std::string text;  // an HTTP request
};

Result<std::vector<BatchPart>> ReadParts(ServerRequest& request, const std::string& boundary, size_t max_bytes) {
  const bool stranger = !request.trusted;
  const auto too_large = [&] {
    if (!stranger) return base::InvalidArgument("batch: larger than 10 MiB");
    return base::Unauthenticated("batch: larger than 256 KiB: send credentials with the batch itself");
  };
  if (request.content_length.value_or(0) > max_bytes) return too_large();
  MultipartReader reader(request.read_body, boundary);
  std::vector<BatchPart> parts;
  size_t bytes = 0;
  std::vector<std::byte> buffer(16 << 10);
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const auto headers, reader.NextPart());
    if (!headers) return parts;
    if (parts.size() == kMaxRequests) return base::InvalidArgument("batch: more than 1000 requests");
    BatchPart part{.content_id = std::string(headers->Get("content-id").value_or("")), .text = {}};
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const size_t got, reader.ReadPart(buffer));
      if (got == 0) break;
      part.text.append(reinterpret_cast<const char*>(buffer.data()), got);
      bytes += got;
      if (bytes > max_bytes) return too_large();
    }
    parts.push_back(std::move(part));
  }
}

// Takes the line that `text` begins with, without its line break.
std::string TakeLine(std::string_view& text) {
  const size_t feed = std::min(text.find('\n'), text.size());
  std::string line(text.substr(0, feed));
  text.remove_prefix(std::min(feed + 1, text.size()));
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

// An HTTP request as text. Its body is read by the handler, so `text` must outlive it.
Result<ServerRequest> ParseRequest(std::string_view text, const ServerRequest& outer) {
  const std::string first = TakeLine(text);
  const size_t space = first.find(' ');
  const size_t end = first.find(' ', space == std::string::npos ? space : space + 1);
  if (space == std::string::npos) return base::InvalidArgument("batch: a part is not an HTTP request");
  ServerRequest request;
  request.method = first.substr(0, space);
  request.target = first.substr(space + 1, end == std::string::npos ? end : end - space - 1);
  request.peer_address = outer.peer_address;
  for (std::string line = TakeLine(text); !line.empty(); line = TakeLine(text)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) return base::InvalidArgument("batch: a header without a colon");
    const size_t value = std::min(line.find_first_not_of(' ', colon + 1), line.size());
    request.headers.Add(line.substr(0, colon), line.substr(value));
  }
  for (const char* name : {"authorization", "host"})
    if (const auto header = outer.headers.Get(name); header && (name[0] == 'h' || !request.headers.Get(name)))
      request.headers.Add(name, std::string(*header));
  request.content_length = text.size();
  request.read_body = [text](std::span<std::byte> into) mutable -> Result<size_t> {
    const size_t n = std::min(into.size(), text.size());
    std::memcpy(into.data(), text.data(), n);
    text.remove_prefix(n);
    return n;
  };
  return request;
}

// Content, uploads, and what is not the JSON API are refused, as Google does.
bool MayBatch(const ServerRequest& request) {
  const auto target = net::ParseTarget(request.target);
  if (!target || !target->path.starts_with("/storage/v1/") || target->Query("alt").value_or("json") != "json")
    return false;
  return MatchRoute(request.method, *target).has_value();
}

ServerResponse AnswerOne(const BatchPart& part, const ServerRequest& outer,
                         const std::function<ServerResponse(ServerRequest&)>& answer) {
  auto request = ParseRequest(part.text, outer);
  if (!request) return ErrorResponse(400, "invalid", request.error().message());
  if (!MayBatch(*request)) return ErrorResponse(400, "invalid", "batch: not a request that a batch can hold");
  return answer(*request);
}

}  // namespace

Result<ServerResponse> Batch(Call& call, const std::function<ServerResponse(ServerRequest&)>& answer) {
  const auto boundary = BoundaryOf(call.request.headers.Get("content-type").value_or(""));
  if (!boundary) return base::InvalidArgument("batch: Content-Type names no boundary");
  const size_t max_bytes = call.request.trusted ? kMaxBatchBytes : kMaxStrangersBytes;
  SEAMOUNT_TRY_ASSIGN(const auto parts, ReadParts(call.request, *boundary, max_bytes));
  const std::string out_boundary = "batch_" + RandomId();
  std::string body;
  for (const BatchPart& part : parts) {
    const ServerResponse response = body.size() <= max_bytes
                                        ? AnswerOne(part, call.request, answer)
                                        : ErrorResponse(400, "invalid", "batch: the answers are too large together");
    body += "--" + out_boundary + "\r\nContent-Type: application/http\r\n";
    if (part.content_id.starts_with('<')) body += "Content-ID: <response-" + part.content_id.substr(1) + "\r\n";
    body += "\r\nHTTP/1.1 " + std::to_string(response.status) + (response.status < 400 ? " OK\r\n" : " Error\r\n");
    for (const auto& [name, value] : response.headers.entries()) body += name + ": " + value + "\r\n";
    body += "Content-Length: " + std::to_string(response.body.size()) + "\r\n\r\n";
    body += response.body.view();
    body += "\r\n";
  }
  body += "--" + out_boundary + "--\r\n";
  ServerResponse response;
  response.headers.Add("Content-Type", "multipart/mixed; boundary=" + out_boundary);
  response.body = Bytes::Copy(body);
  return response;
}

}  // namespace seamount::server
