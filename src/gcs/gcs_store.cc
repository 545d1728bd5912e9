#include "gcs/gcs_store.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/encoding.h"
#include "gcs/connection.h"
#include "gcs/errors.h"
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
constexpr std::string_view kObjectFields = "name,bucket,size,generation,crc32c,updated,contentType,metadata";
constexpr std::string_view kListFields =
    "items(name,bucket,size,generation,crc32c,updated,contentType,metadata),prefixes,nextPageToken";

void AddCondition(net::QueryParameters& query, const char* name, std::optional<Generation> generation) {
  if (generation) query.emplace_back(name, std::to_string(*generation));
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

// "bytes=3-6"; nothing where the whole object is asked for.
std::string RangeHeader(const ByteRange& range) {
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
  GcsStore(std::unique_ptr<Connection> connection, const GcsOptions& options)
      : connection_(std::move(connection)), options_(options) {}

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    const std::string what = "reading " + connection_->Name(key);
    const ByteRange range = options.range.value_or(ByteRange{});
    if (range.length == 0U) return ReadNothing(key, options.if_generation, what, context);
    net::QueryParameters query = {{"alt", "media"}};
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    net::HttpRequest request{
        .url = connection_->UrlOf(ObjectPath(connection_->bucket(), key), query),
        .max_response_bytes = std::min(range.length.value_or(UINT64_MAX), options_.max_read_bytes)};
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
      default: return connection_->ErrorOf(response, what);
    }
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    SEAMOUNT_TRY_ASSIGN(auto object, GetResource(key, context));
    if (!object) return std::optional<ObjectInfo>();
    return std::optional<ObjectInfo>(std::move(object->info));
  }

  Result<ObjectInfo> Write(const std::string& key, const store::ByteSource& source, const store::WriteOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    if (options.content_type.find_first_of("\r\n") != std::string::npos) {
      return base::InvalidArgument("writing " + connection_->Name(key) + ": the content type holds a line break");
    }
    return Upload(*connection_, key, source, options, options_.upload, context);
  }

  Result<bool> Delete(const std::string& key, const store::DeleteOptions& options,
                      const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    const std::string what = "deleting " + connection_->Name(key);
    net::QueryParameters query;
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    net::HttpRequest request{.method = "DELETE",
                             .url = connection_->UrlOf(ObjectPath(connection_->bucket(), key), query)};
    SEAMOUNT_TRY_ASSIGN(const auto response, Send(std::move(request), what, context));
    if (response.status == 200 || response.status == 204) return true;
    if (response.status != 404 || SaysBucketIsAbsent(response)) return connection_->ErrorOf(response, what);
    if (options.if_generation.value_or(kAbsent) != kAbsent) return NotAtGeneration(what);
    return false;
  }

  Result<store::ListPage> List(const store::ListOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(CheckContext(context));
    if (options.max_results < 1) return base::InvalidArgument("list: max_results must be at least 1");
    const std::string what = "listing " + connection_->Name(options.prefix);
    net::QueryParameters query = {{"maxResults", std::to_string(options.max_results)},
                                  {"fields", std::string(kListFields)}};
    if (!options.prefix.empty()) query.emplace_back("prefix", options.prefix);
    if (!options.delimiter.empty()) query.emplace_back("delimiter", options.delimiter);
    if (options.include_trailing_delimiter) query.emplace_back("includeTrailingDelimiter", "true");
    if (!options.start_offset.empty()) query.emplace_back("startOffset", options.start_offset);
    if (!options.page_token.empty()) query.emplace_back("pageToken", options.page_token);
    const std::string path = "/storage/v1/b/" + base::PercentEncode(connection_->bucket()) + "/o";
    SEAMOUNT_TRY_ASSIGN(const auto response, Send({.url = connection_->UrlOf(path, query)}, what, context));
    if (response.status != 200) return connection_->ErrorOf(response, what);
    auto list = DecodeList(response.body.view());
    if (!list) return Unexpected(what, list.error());
    store::ListPage page{.prefixes = std::move(list->prefixes), .next_page_token = std::move(list->next_page_token)};
    page.objects.reserve(list->objects.size());
    for (ObjectResource& object : list->objects) page.objects.push_back(std::move(object.info));
    return page;
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const store::CopyOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(Check(from, context));
    SEAMOUNT_TRY(Check(to, context));
    const std::string what = "copying " + connection_->Name(from) + " to '" + to + "'";
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
    const std::string path = ObjectPath(connection_->bucket(), from) + "/rewriteTo" +
                             ObjectPath(connection_->bucket(), to).substr(std::string("/storage/v1").size());
    for (std::string token;;) {
      net::QueryParameters step = query;
      if (!token.empty()) step.emplace_back("rewriteToken", token);
      SEAMOUNT_TRY_ASSIGN(const auto response, Post(connection_->UrlOf(path, step), body, what, context));
      if (response.status != 200) return connection_->ErrorOf(response, what);
      auto status = DecodeRewrite(response.body.view());
      if (!status) return Unexpected(what, status.error());
      if (status->done) return std::move(status->resource->info);
      token = std::move(status->rewrite_token);
    }
  }

  Result<ObjectInfo> Compose(const std::vector<store::ComposeSource>& sources, const std::string& to,
                             const store::WriteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Check(to, context));
    for (const store::ComposeSource& source : sources) SEAMOUNT_TRY(CheckKey(source.key));
    const std::string what = "composing " + connection_->Name(to);
    if (sources.empty() || sources.size() > store::kMaxComposeSources) {
      return base::InvalidArgument(what + ": takes 1 to 32 sources, not " + std::to_string(sources.size()));
    }
    ComposeRequest compose{.sources = sources, .destination = {.content_type = options.content_type}};
    if (!options.metadata.empty()) {
      auto& metadata = compose.destination.metadata.emplace();
      for (const auto& [name, value] : options.metadata) metadata.emplace(name, value);
    }
    net::QueryParameters query;
    AddCondition(query, "ifGenerationMatch", options.if_generation);
    const std::string url = connection_->UrlOf(ObjectPath(connection_->bucket(), to) + "/compose", query);
    SEAMOUNT_TRY_ASSIGN(const auto response, Post(url, EncodeCompose(compose), what, context));
    if (response.status != 200) return connection_->ErrorOf(response, what);
    auto object = DecodeObject(response.body.view());
    if (!object) return Unexpected(what, object.error());
    return std::move(object->info);
  }

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
    auto response = connection_->Send(std::move(request), context);
    if (!response) return response.error().Wrap(what);
    return response;
  }

  Result<net::HttpResponse> Post(const std::string& url, const std::string& json, const std::string& what,
                                 const CallContext& context) {
    net::HttpRequest request{.method = "POST", .url = url};
    const store::BytesSource body(json);
    if (!json.empty()) request.headers.Add("Content-Type", "application/json; charset=UTF-8");
    request.body = net::RequestBody{.size = body.size(), .read_at = [&body](uint64_t at, std::span<std::byte> into) {
                                      return body.ReadAt(at, into);
                                    }};
    return Send(std::move(request), what, context);
  }

  Result<std::optional<ObjectResource>> GetResource(const std::string& key, const CallContext& context) {
    const std::string what = "looking up " + connection_->Name(key);
    const std::string url =
        connection_->UrlOf(ObjectPath(connection_->bucket(), key),
                           {{"fields", std::string(kObjectFields) + ",cacheControl,contentEncoding,contentDisposition,"
                                                                    "contentLanguage,customTime,storageClass"}});
    SEAMOUNT_TRY_ASSIGN(const auto response, Send({.url = url}, what, context));
    if (response.status == 404 && !SaysBucketIsAbsent(response)) return std::optional<ObjectResource>();
    if (response.status != 200) return connection_->ErrorOf(response, what);
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
    return std::optional<ReadResult>(ReadResult{.info = std::move(object->info)});
  }

  // Checks an answer with content against what was asked, and makes the result of it.
  Result<std::optional<ReadResult>> Received(const std::string& key, const net::HttpResponse& response,
                                             const ByteRange& range, std::optional<Generation> if_generation,
                                             const std::string& what) {
    const auto generation = UintOf(response.headers, "x-goog-generation");
    if (!generation || *generation == 0) {
      return base::Internal(what + ": the answer lacks 'x-goog-generation' (is the endpoint a GCS server?)");
    }
    if (if_generation && *if_generation != *generation) return NotAtGeneration(what);
    ReadResult result{.info = {.key = key, .generation = *generation, .crc32c = Crc32cOf(response.headers)},
                      .data = response.body};
    result.info.content_type = response.headers.Get("Content-Type").value_or("");
    if (response.status == 206) {
      const auto content_range = ParseContentRange(response.headers.Get("Content-Range").value_or(""));
      if (!content_range || !content_range->span || !content_range->total ||
          content_range->span->first != range.offset ||
          content_range->span->last - content_range->span->first + 1 != response.body.size()) {
        return base::Internal(what + ": the server sent another range than was asked for");
      }
      result.info.size_bytes = *content_range->total;
      const uint64_t there = result.info.size_bytes - range.offset;
      if (response.body.size() != std::min(range.length.value_or(there), there)) {
        return base::Unavailable(what + ": the server sent less than the range asked for");
      }
    } else {
      result.info.size_bytes = response.body.size();
      const uint64_t begin = std::min<uint64_t>(range.offset, response.body.size());
      const uint64_t left = response.body.size() - begin;
      result.data = response.body.Slice(begin, std::min(range.length.value_or(left), left));
    }
    if (response.body.size() == result.info.size_bytes && result.info.crc32c &&
        base::Crc32c(response.body.span()) != *result.info.crc32c) {
      return base::DataLoss(what + ": the bytes received do not match the object's CRC32C");
    }
    return std::optional<ReadResult>(std::move(result));
  }

  const std::unique_ptr<Connection> connection_;
  const GcsOptions options_;
};

}  // namespace

Result<std::unique_ptr<Store>> MakeGcsStore(const GcsOptions& options, std::shared_ptr<net::HttpClient> http,
                                            std::shared_ptr<auth::TokenSource> tokens) {
  if (options.bucket.empty() || options.bucket.find_first_of("/\\?#\r\n") != std::string::npos ||
      options.bucket == "." || options.bucket == "..") {
    return base::InvalidArgument("bucket '" + options.bucket + "': not a bucket's name");
  }
  SEAMOUNT_TRY_ASSIGN(auto connection, Connection::Make(options.endpoint, options.bucket, std::move(http),
                                                        std::move(tokens), *options.clock));
  return std::unique_ptr<Store>(std::make_unique<GcsStore>(std::move(connection), options));
}

}  // namespace seamount::gcs
