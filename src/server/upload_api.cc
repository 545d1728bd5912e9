// Uploads in one request: media (the body is the content), multipart (metadata and content), XML PUT.
#include <algorithm>
#include <utility>

#include "server/handlers.h"
#include "server/multipart.h"
#include "server/objects.h"

namespace seamount::server {
namespace {

// Checks, publishes and answers with the resource.
Result<std::shared_ptr<const ObjectRow>> Finish(Service& service, Call& call, ObjectRow row, const BlobInfo& blob,
                                                const ExpectedHashes& expected) {
  auto preconditions = ParsePreconditions(call.target, call.request.headers);
  Result<void> good = preconditions ? CheckHashes(expected, blob) : Result<void>(preconditions.error());
  if (!good) {
    service.blobs.Remove(blob.id);
    return std::move(good).error();
  }
  return PublishBlob(service, call, *call.bucket, std::move(row), blob, *preconditions);
}

Result<ServerResponse> UploadMedia(Service& service, Call& call) {
  ObjectRow row{.name = std::string(call.target.Query("name").value_or(""))};
  SEAMOUNT_TRY(CheckObjectName(row.name));
  gcs::ObjectPatch patch;
  if (const auto type = call.request.headers.Get("content-type")) patch.content_type = std::string(*type);
  if (const auto encoding = call.target.Query("contentEncoding")) patch.other["contentEncoding"] = *encoding;
  SEAMOUNT_TRY(ApplyPatch(patch, row, true));
  SEAMOUNT_TRY_ASSIGN(const BlobInfo blob, ReadIntoBlob(service, call.request.read_body));
  SEAMOUNT_TRY_ASSIGN(const auto stored,
                      Finish(service, call, std::move(row), blob, HashesOf(call.request.headers, patch)));
  return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *stored)));
}

// The metadata part of a multipart upload: small, and JSON.
Result<gcs::ObjectPatch> ReadMetadataPart(MultipartReader& reader) {
  SEAMOUNT_TRY_ASSIGN(const auto headers, reader.NextPart());
  if (!headers) return base::InvalidArgument("multipart upload: no metadata part");
  constexpr size_t kMaxMetadataPart = 1 << 20;
  std::string text;
  std::array<std::byte, 16 << 10> buffer;
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const size_t got, reader.ReadPart(buffer));
    if (got == 0) break;
    text.append(reinterpret_cast<const char*>(buffer.data()), got);
    if (text.size() > kMaxMetadataPart) return base::InvalidArgument("multipart upload: metadata larger than 1 MiB");
  }
  return gcs::DecodePatch(text.empty() ? "{}" : text);
}

Result<ServerResponse> UploadMultipart(Service& service, Call& call) {
  const auto boundary = BoundaryOf(call.request.headers.Get("content-type").value_or(""));
  if (!boundary) return base::InvalidArgument("multipart upload: Content-Type names no boundary");
  MultipartReader reader(call.request.read_body, *boundary);
  SEAMOUNT_TRY_ASSIGN(gcs::ObjectPatch patch, ReadMetadataPart(reader));
  SEAMOUNT_TRY_ASSIGN(const auto headers, reader.NextPart());
  if (!headers) return base::InvalidArgument("multipart upload: no part with the content");
  if (!patch.content_type) {
    if (const auto type = headers->Get("content-type")) patch.content_type = std::string(*type);
  }
  ObjectRow row{.name = patch.name.empty() ? std::string(call.target.Query("name").value_or("")) : patch.name};
  SEAMOUNT_TRY(CheckObjectName(row.name));
  SEAMOUNT_TRY(ApplyPatch(patch, row, true));
  SEAMOUNT_TRY_ASSIGN(const BlobInfo blob,
                      ReadIntoBlob(service, [&](std::span<std::byte> into) { return reader.ReadPart(into); }));
  SEAMOUNT_TRY_ASSIGN(const auto stored,
                      Finish(service, call, std::move(row), blob, HashesOf(call.request.headers, patch)));
  return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *stored)));
}

}  // namespace

Result<ServerResponse> InsertObject(Service& service, Call& call) {
  const auto type = call.target.Query("uploadType").value_or("");
  if (type == "media") return UploadMedia(service, call);
  if (type == "multipart") return UploadMultipart(service, call);
  if (type == "resumable") return StartUpload(service, call);
  return base::InvalidArgument("parameter uploadType: '" + std::string(type) +
                               "' (expected media, multipart or resumable)");
}

Result<ServerResponse> XmlPutObject(Service& service, Call& call) {
  if (call.request.headers.Get("x-goog-copy-source"))
    return base::InvalidArgument("x-goog-copy-source is not supported (use the JSON API's rewrite)");
  ObjectRow row{.name = call.route.object};
  SEAMOUNT_TRY(CheckObjectName(row.name));
  gcs::ObjectPatch patch;
  if (const auto type = call.request.headers.Get("content-type")) patch.content_type = std::string(*type);
  static constexpr std::array<std::pair<const char*, const char*>, 4> kFields = {{
      {"cache-control", "cacheControl"},
      {"content-disposition", "contentDisposition"},
      {"content-encoding", "contentEncoding"},
      {"content-language", "contentLanguage"},
  }};
  for (const auto& [header, field] : kFields)
    if (const auto value = call.request.headers.Get(header)) patch.other[field] = *value;
  patch.metadata.emplace();
  for (const auto& [name, value] : call.request.headers.entries()) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower.starts_with("x-goog-meta-")) patch.metadata->emplace(lower.substr(12), value);
  }
  SEAMOUNT_TRY(ApplyPatch(patch, row, true));
  SEAMOUNT_TRY_ASSIGN(const BlobInfo blob, ReadIntoBlob(service, call.request.read_body));
  SEAMOUNT_TRY_ASSIGN(const auto stored,
                      Finish(service, call, std::move(row), blob, HashesOf(call.request.headers, patch)));
  ServerResponse response;
  response.headers.Add("ETag", "\"" + EtagOf(*stored) + "\"");
  response.headers.Add("x-goog-generation", std::to_string(stored->generation));
  response.headers.Add("x-goog-metageneration", std::to_string(stored->metageneration));
  return response;
}

}  // namespace seamount::server
