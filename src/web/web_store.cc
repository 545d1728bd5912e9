#include "web/web_store.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "net/url.h"

namespace seamount::web {
namespace {

using store::Generation;
using store::kAbsent;
using store::ObjectInfo;
using store::ReadResult;

// A server that does not know ranges may send small files whole.
constexpr uint64_t kSlack = uint64_t{1} << 20;
constexpr uint64_t kMaxWhole = uint64_t{2} << 30;

std::string EncodePath(std::string_view key) {
  std::string path;
  for (size_t at = 0; at <= key.size();) {
    const size_t end = std::min(key.find('/', at), key.size());
    path += "/" + base::PercentEncode(key.substr(at, end - at));
    at = end + 1;
  }
  return path;
}

std::optional<uint64_t> ParseSize(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "bytes 0-9/100" or "bytes */100".
struct ContentRange {
  std::optional<uint64_t> first;
  uint64_t total = 0;
};
std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const size_t slash = text.find('/');
  if (!text.starts_with(kUnit) || slash == std::string_view::npos) return std::nullopt;
  const auto total = ParseSize(text.substr(slash + 1));
  if (!total) return std::nullopt;
  ContentRange range{std::nullopt, *total};
  const std::string_view span = text.substr(kUnit.size(), slash - kUnit.size());
  if (span == "*") return range;
  range.first = ParseSize(span.substr(0, span.find('-')));
  return range.first ? std::optional(range) : std::nullopt;
}

Error ErrorOf(int status, const std::string& what) {
  const std::string message = what + ": the server answered " + std::to_string(status);
  if (status == 401 || status == 403) return base::PermissionDenied(message + ": it does not give this to everybody");
  if (status == 412) return base::PreconditionFailed(message + ": it is not at the generation expected");
  if (status == 408 || status == 429 || (status >= 500 && status != 501)) return base::Unavailable(message);
  if (status >= 400) return base::InvalidArgument(message);
  return base::Internal(message);
}

class WebStore final : public Store {
 public:
  WebStore(net::Url url, std::shared_ptr<net::HttpClient> http) : http_(std::move(http)) {
    while (url.path.ends_with('/')) url.path.pop_back();
    base_ = url.Origin() + url.path;
    if (!url.query.empty()) query_ = "?" + url.query;
  }

  Result<std::optional<ReadResult>> Read(const std::string& key, const store::ReadOptions& options,
                                         const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    const std::string what = "reading " + Name(key);
    const store::ByteRange range = options.range.value_or(store::ByteRange{});
    if (range.suffix.value_or(range.length.value_or(1)) == 0) return ReadNothing(key, options, context);
    net::HttpRequest request = RequestOf("GET", key, options.if_generation);
    const std::optional<uint64_t> most = range.suffix ? range.suffix : range.length;
    request.max_response_bytes = most ? *most + kSlack : kMaxWhole;
    request.expected_response_bytes = most.value_or(0);
    if (options.range) request.headers.Add("Range", RangeText(range));
    auto response = http_->Send(request, context);
    if (!response && response.error().code() == ErrorCode::kInternal && options.range) {
      return base::InvalidArgument(response.error().Wrap(what).message() +
                                   " (a server that sends whole files instead of ranges of them cannot be read here)");
    }
    if (!response) return response.error().Wrap(what);
    if (IsAbsent(response->status)) return Absent<ReadResult>(key, options.if_generation);
    if (response->status == 416) return ReadNothing(key, options, context);
    if (response->status != 200 && response->status != 206) return ErrorOf(response->status, what);
    return Received(key, *response, range, options.if_generation, what);
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    const std::string what = "looking up " + Name(key);
    auto response = http_->Send(RequestOf("HEAD", key, {}), context);
    if (!response) return response.error().Wrap(what);
    if (IsAbsent(response->status)) return std::optional<ObjectInfo>();
    if (response->status != 200) return ErrorOf(response->status, what);
    const auto size = ParseSize(response->headers.Get("Content-Length").value_or(""));
    if (!size) return base::Internal(what + ": the server does not say its size");
    return std::optional(InfoOf(key, *response, *size));
  }

  Result<ObjectInfo> Write(const std::string& key, const store::ByteSource& /*source*/,
                           const store::WriteOptions& /*options*/, const CallContext& /*context*/) override {
    return ReadOnly(key);
  }
  Result<bool> Delete(const std::string& key, const store::DeleteOptions& /*options*/,
                      const CallContext& /*context*/) override {
    return ReadOnly(key);
  }
  Result<store::ListPage> List(const store::ListOptions& options, const CallContext& /*context*/) override {
    return base::InvalidArgument("listing " + Name(options.prefix) + ": a web server does not say what it has");
  }
  Result<ObjectInfo> Copy(const std::string& /*from*/, const std::string& to, const store::CopyOptions& /*options*/,
                          const CallContext& /*context*/) override {
    return ReadOnly(to);
  }
  Result<ObjectInfo> Compose(const std::vector<store::ComposeSource>& /*sources*/, const std::string& to,
                             const store::WriteOptions& /*options*/, const CallContext& /*context*/) override {
    return ReadOnly(to);
  }
  Result<ObjectInfo> Move(const std::string& /*from*/, const std::string& to, const store::MoveOptions& /*options*/,
                          const CallContext& /*context*/) override {
    return ReadOnly(to);
  }
  Result<ObjectInfo> Patch(const std::string& key, const store::AttributeChanges& /*changes*/,
                           const store::PatchOptions& /*options*/, const CallContext& /*context*/) override {
    return ReadOnly(key);
  }
  store::Capabilities capabilities() const override {
    return {.copy = false, .compose = false, .move = false, .patch = false};
  }

 private:
  static Result<void> Check(const std::string& key, const CallContext& context) {
    SEAMOUNT_TRY(store::CheckKey(key));
    return store::CheckContext(context);
  }
  static bool IsAbsent(int status) { return status == 404 || status == 410; }
  static std::string RangeText(const store::ByteRange& range) {
    if (range.suffix) return "bytes=-" + std::to_string(*range.suffix);
    return "bytes=" + std::to_string(range.offset) + "-" +
           (range.length ? std::to_string(range.offset + *range.length - 1) : "");
  }
  std::string Name(const std::string& key) const { return base_ + "/" + key; }
  Error ReadOnly(const std::string& key) const {
    return base::InvalidArgument("changing " + Name(key) + ": a web server is only read");
  }
  template <class T>
  static Result<std::optional<T>> Absent(const std::string& key, const std::optional<Generation>& wanted) {
    SEAMOUNT_TRY(store::CheckGeneration(key, kAbsent, wanted));
    return std::optional<T>();
  }

  net::HttpRequest RequestOf(const char* method, const std::string& key, const std::optional<Generation>& at) const {
    net::HttpRequest request{.method = method, .url = base_ + EncodePath(key) + query_};
    request.headers.Add("Accept-Encoding", "identity");  // ranges are of the file, not of its compressed form
    if (at && at->text().starts_with('"')) request.headers.Add("If-Match", at->text());
    return request;
  }

  static ObjectInfo InfoOf(const std::string& key, const net::HttpResponse& response, uint64_t size_bytes) {
    ObjectInfo info{.key = key, .size_bytes = size_bytes};
    const std::string tag(response.headers.Get("ETag").value_or(""));
    const std::string changed(response.headers.Get("Last-Modified").value_or(""));
    info.generation = Generation(!tag.empty() ? tag : changed + "|" + std::to_string(size_bytes));
    info.content_type = response.headers.Get("Content-Type").value_or("");
    return info;
  }

  // A range that holds no byte.
  Result<std::optional<ReadResult>> ReadNothing(const std::string& key, const store::ReadOptions& options,
                                                const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(auto info, Stat(key, context));
    if (!info) return Absent<ReadResult>(key, options.if_generation);
    SEAMOUNT_TRY(store::CheckGeneration(key, info->generation, options.if_generation));
    return std::optional(ReadResult{.info = *std::move(info), .data = {}});
  }

  static Result<std::optional<ReadResult>> Received(const std::string& key, const net::HttpResponse& response,
                                                    const store::ByteRange& range,
                                                    const std::optional<Generation>& wanted, const std::string& what) {
    const std::string_view encoding = response.headers.Get("Content-Encoding").value_or("identity");
    if (encoding != "identity") return base::Internal(what + ": the server sends it as " + std::string(encoding));
    ReadResult result;
    if (response.status == 200) {
      result.info = InfoOf(key, response, response.body.size());
      const store::ByteSpan asked = SpanOf(range, response.body.size());
      result.data = response.body.Slice(asked.begin, asked.size());
    } else {
      const auto got = ParseContentRange(response.headers.Get("Content-Range").value_or(""));
      if (!got) return base::Internal(what + ": the server does not say which range it sends");
      const store::ByteSpan asked = SpanOf(range, got->total);
      if (got->first != asked.begin) return base::Internal(what + ": the server sent another range than asked for");
      if (response.body.size() != asked.size()) {
        return base::Unavailable(what + ": the server sent " + std::to_string(response.body.size()) + " bytes of " +
                                 std::to_string(asked.size()));
      }
      result.info = InfoOf(key, response, got->total);
      result.data = response.body;
    }
    SEAMOUNT_TRY(store::CheckGeneration(key, result.info.generation, wanted));
    return std::optional(std::move(result));
  }

  const std::shared_ptr<net::HttpClient> http_;
  std::string base_;   // origin and folder, without a trailing '/'
  std::string query_;  // with '?', or empty
};

}  // namespace

Result<std::shared_ptr<Store>> MakeWebStore(const std::string& url, std::shared_ptr<net::HttpClient> http) {
  SEAMOUNT_TRY_ASSIGN(net::Url parsed, net::ParseUrl(url));
  return std::shared_ptr<Store>(std::make_shared<WebStore>(std::move(parsed), std::move(http)));
}

}  // namespace seamount::web
