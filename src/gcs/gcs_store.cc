#include "gcs/gcs_store.h"

#include <algorithm>
#include <atomic>

#include "base/checksum.h"
#include "base/encoding.h"
#include "gcs/errors.h"
#include "gcs/resource.h"
#include "gcs/service_client.h"
#include "gcs/wire.h"

namespace seamount::gcs {
namespace {

using store::ByteRange;
using store::CheckContext;
using store::CheckKey;
using store::Generation;
using store::kAbsent;
using store::ObjectInfo;
using store::ReadOptions;
using store::ReadResult;

// What an ObjectInfo is made of; asking for no more makes listings several times shorter.
constexpr std::string_view kObjectFields =
    "name,bucket,size,generation,crc32c,timeCreated,updated,contentType,metadata,cacheControl,contentDisposition,"
    "contentEncoding,contentLanguage";

void AddCondition(net::QueryParameters& query, const char* name, const std::optional<Generation>& generation) {
  if (generation) query.emplace_back(name, *generation == kAbsent ? "0" : generation->text());
}

std::optional<uint32_t> Crc32cOf(const net::Headers& headers) {
  for (const auto& [name, value] : headers.entries()) {
    if (!net::EqualNames(name, "x-goog-hash")) continue;
    if (const auto crc32c = Crc32cOfHashHeader(value)) return crc32c;
  }
  return std::nullopt;
}

std::optional<uint64_t> UintOf(const net::Headers& headers, std::string_view name) {
  const auto text = headers.Get(name);
  return text ? ParseUint(*text) : std::nullopt;
}

// "bytes=3-6", "bytes=-5"; nothing where the whole object is asked for.
std::string RangeHeader(const ByteRange& range) {
  if (range.suffix) return "bytes=-" + std::to_string(*range.suffix);
  if (range.offset == 0 && !range.length) return "";
  std::string header = "bytes=" + std::to_string(range.offset) + "-";
  // A last byte past 2^64 is the object's end.
  if (range.length && *range.length <= UINT64_MAX - range.offset) {
    header += std::to_string(range.offset + *range.length - 1);
  }
  return header;
}

class GcsStore final : public Store {
 public:
  GcsStore(std::unique_ptr<ServiceClient> client, const GcsOptions& options)
      : client_(std::move(client)), options_(options) {}

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    const std::string what = "reading " + client_->Name(key);
    const ByteRange range = options.range.value_or(ByteRange{});
    if (range.suffix.value_or(range.length.value_or(UINT64_MAX)) == 0)
      return ReadNothing(key, options.if_generation, what, context);
    net::QueryParameters query = {{"alt", "media"}};
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    net::HttpRequest request{.url = client_->UrlOf(ObjectPath(client_->bucket(), key), query),
                             .max_response_bytes = std::min(range.suffix.value_or(range.length.value_or(UINT64_MAX)),
                                                            options_.max_read_bytes)};
    // The stored bytes are the object: without this, an object stored compressed would be sent unpacked.
    request.headers.Add("Accept-Encoding", "gzip");
    if (const std::string header = RangeHeader(range); !header.empty()) request.headers.Add("Range", header);
    SEAMOUNT_TRY_ASSIGN(const auto response, Send(std::move(request), what, context));
    switch (response.status) {
      case 200:
      case 206: return Received(key, response, range, options.if_generation, what);
      case 416: return ReadNothing(key, options.if_generation, what, context);
      case 404:
        if (!SaysBucketIsAbsent(response)) return Absent<ReadResult>(options.if_generation, what);
        [[fallthrough]];
      default: return client_->ErrorOf(response, what);
    }
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    SEAMOUNT_TRY_ASSIGN(auto object, GetResource(key, context));
    if (!object) return std::optional<ObjectInfo>();
    return std::optional<ObjectInfo>(InfoOf(*std::move(object)));
  }

  Result<ObjectInfo> Write(const std::string& key, const store::ByteSource& source, const store::WriteOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    if (options.content_type.find_first_of("\r\n") != std::string::npos) {
      return base::InvalidArgument("writing " + client_->Name(key) + ": the content type holds a line break");
    }
    return Upload(*client_, key, source, options, options_.upload, context);
  }

  Result<bool> Delete(const std::string& key, const store::DeleteOptions& options,
                      const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    const std::string what = "deleting " + client_->Name(key);
    net::QueryParameters query;
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    net::HttpRequest request{.method = "DELETE", .url = client_->UrlOf(ObjectPath(client_->bucket(), key), query)};
    SEAMOUNT_TRY_ASSIGN(const auto response, Send(std::move(request), what, context));
    if (response.status == 200 || response.status == 204) return true;
    if (response.status != 404 || SaysBucketIsAbsent(response)) return client_->ErrorOf(response, what);
    if (options.if_generation.value_or(kAbsent) != kAbsent) return NotAtGeneration(what);
    return false;
  }

  Result<store::ListPage> List(const store::ListOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(CheckContext(context));
    if (options.max_results < 1) return base::InvalidArgument("list: max_results must be at least 1");
    const std::string what = "listing " + client_->Name(options.prefix);
    net::QueryParameters query = {{"maxResults", std::to_string(options.max_results)},
                                  {"fields", "items(" + std::string(kObjectFields) + "),prefixes,nextPageToken"}};
    if (!options.prefix.empty()) query.emplace_back("prefix", options.prefix);
    if (!options.delimiter.empty()) query.emplace_back("delimiter", options.delimiter);
    if (options.include_trailing_delimiter) query.emplace_back("includeTrailingDelimiter", "true");
    if (!options.start_offset.empty()) query.emplace_back("startOffset", options.start_offset);
    if (!options.end_offset.empty()) query.emplace_back("endOffset", options.end_offset);
    if (!options.page_token.empty()) query.emplace_back("pageToken", options.page_token);
    const std::string path = "/storage/v1/b/" + base::PercentEncode(client_->bucket()) + "/o";
    SEAMOUNT_TRY_ASSIGN(const auto response, Send({.url = client_->UrlOf(path, query)}, what, context));
    if (response.status != 200) return client_->ErrorOf(response, what);
    auto list = DecodeList(response.body.view());
    if (!list) return Unexpected(what, list.error());
    store::ListPage page{.prefixes = std::move(list->prefixes), .next_page_token = std::move(list->next_page_token)};
    page.objects.reserve(list->objects.size());
    for (ObjectResource& object : list->objects) page.objects.push_back(InfoOf(std::move(object)));
    return page;
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const store::CopyOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(Check(from, context));
    SEAMOUNT_TRY(Check(to, context));
    const std::string what = "copying " + client_->Name(from) + " to '" + to + "'";
    std::string body;
    if (options.metadata) {
      // New metadata replaces the whole resource, so what is to be kept has to be said again.
      SEAMOUNT_TRY_ASSIGN(auto source, GetResource(from, context));
      if (!source) return base::NotFound(what + ": the source does not exist");
      ObjectPatch patch{.content_type = source->info.content_type,
                        .other = {source->other.begin(), source->other.end()}};
      auto& metadata = patch.metadata.emplace();
      for (const auto& [name, value] : *options.metadata) metadata.emplace(name, value);
      body = EncodePatch(patch);
    }
    net::QueryParameters query;
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    AddCondition(query, "ifSourceGenerationMatch", options.if_source_generation);
    const std::string path = ObjectPath(client_->bucket(), from) + "/rewriteTo" +
                             ObjectPath(client_->bucket(), to).substr(std::string("/storage/v1").size());
    for (std::string token;;) {
      net::QueryParameters step = query;
      if (!token.empty()) step.emplace_back("rewriteToken", token);
      SEAMOUNT_TRY_ASSIGN(const auto response, SendJson("POST", client_->UrlOf(path, step), body, what, context));
      if (response.status != 200) return client_->ErrorOf(response, what);
      auto status = DecodeRewrite(response.body.view());
      if (!status) return Unexpected(what, status.error());
      if (status->done) return InfoOf(*std::move(status->resource));
      token = std::move(status->rewrite_token);
    }
  }

  Result<ObjectInfo> Compose(const std::vector<store::ComposeSource>& sources, const std::string& to,
                             const store::WriteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Check(to, context));
    for (const store::ComposeSource& source : sources) SEAMOUNT_TRY(CheckKey(source.key));
    const std::string what = "composing " + client_->Name(to);
    if (sources.empty() || sources.size() > store::kMaxComposeSources) {
      return base::InvalidArgument(what + ": takes 1 to 32 sources, not " + std::to_string(sources.size()));
    }
    const ComposeRequest compose{.sources = sources, .destination = PatchOf(options)};
    net::QueryParameters query;
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    const std::string url = client_->UrlOf(ObjectPath(client_->bucket(), to) + "/compose", query);
    SEAMOUNT_TRY_ASSIGN(const auto response, SendJson("POST", url, EncodeCompose(compose), what, context));
    return ObjectIn(response, what);
  }

  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const store::MoveOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(Check(from, context));
    SEAMOUNT_TRY(Check(to, context));
    if (from == to) return base::InvalidArgument("moving " + client_->Name(from) + ": onto itself");
    const std::string what = "moving " + client_->Name(from) + " to '" + to + "'";
    if (!moves_) return base::InvalidArgument(what + ": the server cannot move objects");
    net::QueryParameters query;
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    AddCondition(query, "ifSourceGenerationMatch", options.if_source_generation);
    const std::string path = ObjectPath(client_->bucket(), from) + "/moveTo/o/" + base::PercentEncode(to);
    SEAMOUNT_TRY_ASSIGN(const auto response, SendJson("POST", client_->UrlOf(path, query), "", what, context));
    // A server that does not know the call says so in one of these ways; the second may also mean the object.
    bool unknown = response.status == 405 || response.status == 501;
    if (response.status == 404 && !SaysBucketIsAbsent(response)) {
      SEAMOUNT_TRY_ASSIGN(unknown, Exists(from, options.if_source_generation, context));
    }
    if (!unknown) return ObjectIn(response, what);
    moves_ = false;
    return base::InvalidArgument(what + ": the server cannot move objects");
  }

  Result<ObjectInfo> Patch(const std::string& key, const store::AttributeChanges& changes,
                           const store::PatchOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    const std::string what = "changing the attributes of " + client_->Name(key);
    ObjectPatch patch{.content_type = changes.content_type};
    if (changes.headers) patch.other = FieldsOf(*changes.headers, /*clear=*/true);
    if (!changes.metadata.empty()) patch.metadata = changes.metadata;
    net::QueryParameters query = {{"fields", std::string(kObjectFields)}};
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    const std::string url = client_->UrlOf(ObjectPath(client_->bucket(), key), query);
    SEAMOUNT_TRY_ASSIGN(const auto response, SendJson("PATCH", url, EncodePatch(patch), what, context));
    return ObjectIn(response, what);
  }

  store::Capabilities capabilities() const override { return {.move = moves_}; }

 private:
  static Result<void> Check(const std::string& key, const CallContext& context) {
    SEAMOUNT_TRY(CheckKey(key));
    return CheckContext(context);
  }

  static Error Unexpected(const std::string& what, const Error& error) {
    return base::Internal(what + ": unexpected answer: " + error.message());
  }

  static Error NotAtGeneration(const std::string& what) {
    return base::PreconditionFailed(what + ": the object is not at the generation expected");
  }

  template <class T>
  static Result<std::optional<T>> Absent(std::optional<Generation> if_generation, const std::string& what) {
    if (if_generation.value_or(kAbsent) != kAbsent) return NotAtGeneration(what);
    return std::optional<T>();
  }

  Result<net::HttpResponse> Send(net::HttpRequest request, const std::string& what, const CallContext& context) {
    auto response = client_->Send(std::move(request), context);
    if (!response) return response.error().Wrap(what);
    return response;
  }

  // The object that a successful answer holds.
  Result<ObjectInfo> ObjectIn(const net::HttpResponse& response, const std::string& what) const {
    if (response.status != 200) return client_->ErrorOf(response, what);
    auto object = DecodeObject(response.body.view());
    if (!object) return Unexpected(what, object.error());
    return InfoOf(*std::move(object));
  }

  Result<bool> Exists(const std::string& key, const std::optional<Generation>& at, const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(const auto object, GetResource(key, context));
    return object && at.value_or(object->info.generation) == object->info.generation;
  }

  Result<net::HttpResponse> SendJson(const std::string& method, const std::string& url, const std::string& json,
                                     const std::string& what, const CallContext& context) {
    net::HttpRequest request{.method = method, .url = url};
    const store::BytesSource body(json);
    if (!json.empty()) request.headers.Add("Content-Type", "application/json; charset=UTF-8");
    request.body = net::RequestBody{.size = body.size(), .read_at = [&body](uint64_t at, std::span<std::byte> into) {
                                      return body.ReadAt(at, into);
                                    }};
    return Send(std::move(request), what, context);
  }

  Result<std::optional<ObjectResource>> GetResource(const std::string& key, const CallContext& context) {
    const std::string what = "looking up " + client_->Name(key);
    const std::string url = client_->UrlOf(ObjectPath(client_->bucket(), key),
                                           {{"fields", std::string(kObjectFields) + ",customTime,storageClass"}});
    SEAMOUNT_TRY_ASSIGN(const auto response, Send({.url = url}, what, context));
    if (response.status == 404 && !SaysBucketIsAbsent(response)) return std::optional<ObjectResource>();
    if (response.status != 200) return client_->ErrorOf(response, what);
    auto object = DecodeObject(response.body.view());
    if (!object) return Unexpected(what, object.error());
    return std::optional<ObjectResource>(*std::move(object));
  }

  // A range that holds no byte: HTTP cannot ask for it, so the object is looked up.
  Result<std::optional<ReadResult>> ReadNothing(const std::string& key, std::optional<Generation> if_generation,
                                                const std::string& what, const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(auto object, GetResource(key, context));
    if (!object) return Absent<ReadResult>(if_generation, what);
    if (if_generation.value_or(object->info.generation) != object->info.generation) return NotAtGeneration(what);
    return std::optional<ReadResult>(ReadResult{.info = InfoOf(*std::move(object))});
  }

  // Checks an answer with content against what was asked, and makes the result of it.
  Result<std::optional<ReadResult>> Received(const std::string& key, const net::HttpResponse& response,
                                             const ByteRange& range, std::optional<Generation> if_generation,
                                             const std::string& what) {
    const auto generation = UintOf(response.headers, "x-goog-generation");
    if (!generation || *generation == 0) {
      return base::Internal(what + ": the answer lacks 'x-goog-generation' (is the endpoint a GCS server?)");
    }
    if (if_generation && NumberOf(*if_generation) != *generation) return NotAtGeneration(what);
    ReadResult result{
        .info = {.key = key, .generation = GenerationOf(*generation), .crc32c = Crc32cOf(response.headers)},
        .data = response.body};
    result.info.content_type = response.headers.Get("Content-Type").value_or("");
    if (response.status == 206) {
      const auto content_range = ParseContentRange(response.headers.Get("Content-Range").value_or(""));
      const store::ByteSpan asked = SpanOf(range, content_range ? content_range->total.value_or(0) : 0);
      if (!content_range || !content_range->span || !content_range->total ||
          content_range->span->first != asked.begin ||
          content_range->span->last - content_range->span->first + 1 != response.body.size()) {
        return base::Internal(what + ": the server sent another range than was asked for");
      }
      result.info.size_bytes = *content_range->total;
      if (response.body.size() != asked.size()) {
        return base::Unavailable(what + ": the server sent less than the range asked for");
      }
    } else {
      result.info.size_bytes = response.body.size();
      const store::ByteSpan asked = SpanOf(range, response.body.size());
      result.data = response.body.Slice(asked.begin, asked.size());
    }
    if (response.body.size() == result.info.size_bytes && result.info.crc32c &&
        base::Crc32c(response.body.span()) != *result.info.crc32c) {
      return base::DataLoss(what + ": the bytes received do not match the object's CRC32C");
    }
    return std::optional<ReadResult>(std::move(result));
  }

  const std::unique_ptr<ServiceClient> client_;
  const GcsOptions options_;
  std::atomic<bool> moves_ = true;  // until the server has shown that it does not know the call
};

}  // namespace

Result<std::unique_ptr<Store>> MakeGcsStore(const GcsOptions& options, std::shared_ptr<net::HttpClient> http,
                                            std::shared_ptr<auth::RequestSigner> signer) {
  if (options.bucket.empty() || options.bucket.find_first_of("/\\?#\r\n") != std::string::npos ||
      options.bucket == "." || options.bucket == "..") {
    return base::InvalidArgument("bucket '" + options.bucket + "': not a bucket's name");
  }
  SEAMOUNT_TRY_ASSIGN(auto client, ServiceClient::Make(options.endpoint, options.bucket, std::move(http),
                                                       std::move(signer), *options.clock));
  return std::unique_ptr<Store>(std::make_unique<GcsStore>(std::move(client), options));
}

}  // namespace seamount::gcs
