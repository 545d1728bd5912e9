// Uploads in one request: media (the body is the content), multipart (metadata and content).
#include <algorithm>
#include <utility>

#include "server/handlers.h"
#include "server/multipart.h"
#include "server/objects.h"

namespace seamount::server {
namespace {

Result<ServerResponse> UploadMedia(Service& service, Call& call) {
  ObjectRow row{.name = std::string(call.target.Query("name").value_or(""))};
  SEAMOUNT_TRY(CheckNewObject(call, row.name));
  gcs::ObjectPatch patch;
  if (const auto type = call.request.headers.Get("content-type")) patch.content_type = std::string(*type);
  auto encoding = call.target.Query("contentEncoding");
  if (!encoding) encoding = call.request.headers.Get("content-encoding");
  if (encoding) patch.other["contentEncoding"] = std::string(*encoding);
  SEAMOUNT_TRY(ApplyPatch(patch, row, true));
  SEAMOUNT_TRY_ASSIGN(const BlobInfo blob,
                      ReadIntoBlob(service, call.request.read_body, WantsMd5(call.request.headers)));
  SEAMOUNT_TRY_ASSIGN(const auto stored,
                      FinishUpload(service, call, std::move(row), blob, HashesOf(call.request.headers, patch)));
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
  return ParseObjectBody(text);
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
  SEAMOUNT_TRY(CheckNewObject(call, row.name));
  SEAMOUNT_TRY(ApplyPatch(patch, row, true));
  const auto read_part = [&](std::span<std::byte> into) { return reader.ReadPart(into); };
  SEAMOUNT_TRY_ASSIGN(const BlobInfo blob, ReadIntoBlob(service, read_part, WantsMd5(call.request.headers)));
  auto more = reader.NextPart();
  if (!more || *more) {
    service.blobs.Remove(blob.id);
    if (!more) return std::move(more).error();
    return base::InvalidArgument("multipart upload: more than two parts (expected metadata and content)");
  }
  SEAMOUNT_TRY_ASSIGN(const auto stored,
                      FinishUpload(service, call, std::move(row), blob, HashesOf(call.request.headers, patch)));
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

}  // namespace seamount::server
