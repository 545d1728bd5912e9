// The XML API where clients use it (obstore and others on Arrow's object_store): listings, PUT, copies. Reading and
// deleting share their handlers with the JSON API.
#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/encoding.h"
#include "server/handlers.h"
#include "server/objects.h"
#include "server/xml_text.h"

namespace seamount::server {
namespace {

// x-goog-copy-source: [/]BUCKET/OBJECT, percent-encoded.
struct CopySource {
  std::string bucket;
  std::string object;
};
Result<CopySource> ParseCopySource(std::string_view header) {
  if (header.starts_with('/')) header.remove_prefix(1);
  SEAMOUNT_TRY_ASSIGN(const std::string text, base::PercentDecode(header));
  const size_t slash = text.find('/');
  if (slash == std::string::npos || slash + 1 == text.size())
    return base::InvalidArgument("x-goog-copy-source: expected BUCKET/OBJECT");
  return CopySource{text.substr(0, slash), text.substr(slash + 1)};
}

Result<ServerResponse> XmlCopyObject(Service& service, Call& call, std::string_view header) {
  SEAMOUNT_TRY_ASSIGN(const CopySource source, ParseCopySource(header));
  const auto bucket = service.catalog.FindBucket(source.bucket);
  SEAMOUNT_TRY(Require(call, "storage.objects.get", bucket.get(), source.object));
  if (!bucket) return base::NotFound("The specified bucket does not exist: " + source.bucket);
  if (call.request.headers.Get("x-goog-metadata-directive").value_or("COPY") != "COPY")
    return base::InvalidArgument("x-goog-metadata-directive: only COPY is supported (use the JSON API's rewrite)");
  SEAMOUNT_TRY_ASSIGN(const auto from, service.BackendOf(bucket));
  const auto find = [&]() -> Result<SourceObject> {
    SEAMOUNT_TRY_ASSIGN(auto row, from->Find(source.object));
    if (!row) return NoSuchObject(source.bucket, source.object);
    return SourceObject{bucket, std::move(row)};
  };
  SEAMOUNT_TRY_ASSIGN(const auto row, CopyContent(service, call, find, {call.bucket, call.route.object}, {}));
  return XmlResponse(XmlCopyText(*row));
}

}  // namespace

gcs::ObjectPatch PatchOfHeaders(const net::Headers& headers) {
  gcs::ObjectPatch patch;
  if (const auto type = headers.Get("content-type")) patch.content_type = std::string(*type);
  static constexpr std::array<std::pair<const char*, const char*>, 6> kFields = {{
      {"cache-control", "cacheControl"},
      {"content-disposition", "contentDisposition"},
      {"content-encoding", "contentEncoding"},
      {"content-language", "contentLanguage"},
      {"x-goog-custom-time", "customTime"},
      {"x-goog-storage-class", "storageClass"},
  }};
  for (const auto& [header, field] : kFields)
    if (const auto value = headers.Get(header)) patch.other[field] = std::string(*value);
  patch.metadata.emplace();
  constexpr std::string_view kMetadata = "x-goog-meta-";
  for (const auto& [name, value] : headers.entries()) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower.starts_with(kMetadata)) patch.metadata->emplace(lower.substr(kMetadata.size()), value);
  }
  return patch;
}

void AddGenerationHeaders(const ObjectRow& row, net::Headers& headers) {
  headers.Add("ETag", "\"" + EtagOf(row) + "\"");
  headers.Add("x-goog-generation", std::to_string(row.generation));
  headers.Add("x-goog-metageneration", std::to_string(row.metageneration));
  if (row.crc32c) headers.Add("x-goog-hash", "crc32c=" + base::Crc32cToBase64(*row.crc32c));
}

Result<ServerResponse> XmlPutObject(Service& service, Call& call) {
  SEAMOUNT_TRY(CheckObjectName(call.route.object));
  if (const auto source = call.request.headers.Get("x-goog-copy-source")) return XmlCopyObject(service, call, *source);
  ObjectRow row{.name = call.route.object};
  const gcs::ObjectPatch patch = PatchOfHeaders(call.request.headers);
  SEAMOUNT_TRY(ApplyPatch(patch, row, true));
  SEAMOUNT_TRY_ASSIGN(const BlobInfo blob,
                      ReadIntoBlob(service, call.request.read_body, WantsMd5(call.request.headers)));
  SEAMOUNT_TRY_ASSIGN(const auto stored,
                      FinishUpload(service, call, std::move(row), blob, HashesOf(call.request.headers, patch)));
  ServerResponse response;
  AddGenerationHeaders(*stored, response.headers);
  return response;
}

Result<ServerResponse> XmlListObjects(Service&, Call& call) {
  const auto text = [&](std::string_view name) { return std::string(call.target.Query(name).value_or("")); };
  XmlListQuery query;
  query.bucket = call.bucket->name;
  query.list.prefix = text("prefix");
  query.list.delimiter = text("delimiter");
  query.version_2 = text("list-type") == "2";
  query.after = text(query.version_2 ? "start-after" : "marker");
  query.list.page_token = text("continuation-token");
  query.url_encoded = text("encoding-type") == "url";
  // Names begin after this one. A prefix that a listing gave stands for all names under it: no name has a byte 0xff.
  const bool is_prefix = !query.list.delimiter.empty() && query.after.ends_with(query.list.delimiter);
  if (!query.after.empty()) query.list.start_offset = query.after + (is_prefix && !query.version_2 ? '\xff' : '\0');
  SEAMOUNT_TRY_ASSIGN(const auto max_keys, UintQuery(call.target, "max-keys"));
  query.list.max_results = static_cast<int>(std::clamp<uint64_t>(max_keys.value_or(1000), 1, 1000));
  SEAMOUNT_TRY_ASSIGN(const Listing listing, call.backend->List(query.list));
  return XmlResponse(XmlListText(query, listing));
}

}  // namespace seamount::server
