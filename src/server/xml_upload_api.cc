// Uploads in parts by the XML API (https://cloud.google.com/storage/docs/multipart-uploads). Each part is a durable
// blob with a row of its own; the end strings the blobs together into the object's content. Parts come in any order and
// may come at the same time, and one that comes again replaces what was there.
#include <utility>

#include "base/encoding.h"
#include "server/handlers.h"
#include "server/objects.h"
#include "server/stored_bucket.h"
#include "server/xml_text.h"

namespace seamount::server {
namespace {

// 10,000 parts, with room for line breaks and a checksum each.
constexpr size_t kMaxFinishBytes = 4 << 20;

Result<UploadRow> FindSession(Service& service, const Call& call) {
  SEAMOUNT_TRY_ASSIGN(auto upload, service.catalog.FindUpload(std::string(call.target.Query("uploadId").value_or(""))));
  const bool callers = upload && upload->in_parts && upload->bucket == call.bucket->id &&
                       upload->account == call.identity.account && upload->object.name == call.route.object;
  if (!callers) return base::NotFound("no such upload: begin it again");
  return *std::move(upload);
}

std::string PartEtag(const PartRow& part) {
  const auto md5 = base::Base64Decode(part.md5);
  return md5 ? base::HexEncode(*md5) : "";
}

// The parts that the client named, which must be those that are there.
Result<std::vector<PartRow>> ChooseParts(const std::vector<XmlPart>& named, const std::vector<PartRow>& stored) {
  std::vector<PartRow> chosen;
  auto at = stored.begin();
  for (const XmlPart& part : named) {
    while (at != stored.end() && at->number < part.number) ++at;
    if (at == stored.end() || at->number != part.number || PartEtag(*at) != part.etag)
      return base::InvalidArgument("part " + std::to_string(part.number) + " was not uploaded, or has another ETag");
    chosen.push_back(*at);
  }
  return chosen;
}

ServerResponse Finished(const Call& call, const ObjectRow& row) {
  const std::string location = call.base_url + "/" + call.bucket->name + "/" + base::PercentEncode(row.name);
  ServerResponse response = XmlResponse(XmlFinishUploadText(location, call.bucket->name, row));
  AddGenerationHeaders(row, response.headers);
  return response;
}

// The client missed the answer, or sent the request twice.
Result<ServerResponse> AnswerFinished(const Call& call, const UploadRow& upload) {
  SEAMOUNT_TRY_ASSIGN(const auto row, call.backend->Find(upload.object.name));
  if (row && row->generation == upload.finished) return Finished(call, *row);
  return base::NotFound("no such upload: begin it again");
}

}  // namespace

Result<ServerResponse> XmlStartUpload(Service& service, Call& call) {
  EndOldSessions(service);
  SEAMOUNT_TRY(CheckObjectName(call.route.object));
  UploadRow upload{.id = RandomId(),
                   .bucket = call.bucket->id,
                   .object = {.name = call.route.object},
                   .account = call.identity.account,
                   .in_parts = true,
                   .created = service.catalog.Now()};
  SEAMOUNT_TRY(ApplyPatch(PatchOfHeaders(call.request.headers), upload.object, true));
  SEAMOUNT_TRY(service.catalog.InsertUpload(upload));
  return XmlResponse(XmlStartUploadText(call.bucket->name, call.route.object, upload.id));
}

Result<ServerResponse> XmlPutPart(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const UploadRow upload, FindSession(service, call));
  SEAMOUNT_TRY_ASSIGN(const auto number, UintQuery(call.target, "partNumber"));
  if (!number || *number == 0 || *number > kMaxPartNumber)
    return base::InvalidArgument("parameter partNumber: expected a number from 1 to 10000");
  if (call.request.headers.Get("x-goog-copy-source"))
    return base::InvalidArgument("x-goog-copy-source: parts cannot be copied on this server");
  // With its MD5 in any case: it is the part's ETag.
  SEAMOUNT_TRY_ASSIGN(const BlobInfo blob, ReadIntoBlob(service, call.request.read_body, true));
  PartRow part{static_cast<uint32_t>(*number), blob.size, blob.crc32c, blob.md5, blob.id, blob.small};
  Result<void> put = CheckHashes(HashesOf(call.request.headers, {}), blob);
  if (put) put = service.catalog.PutPart(upload.id, part);
  if (!put) {
    service.blobs.Discard(blob);
    return std::move(put).error();
  }
  if (blob.is_file()) service.blobs.Confirm(blob.id);
  ServerResponse response;
  response.headers.Add("ETag", "\"" + PartEtag(part) + "\"");
  response.headers.Add("x-goog-hash", "crc32c=" + base::Crc32cToBase64(blob.crc32c) + ",md5=" + blob.md5);
  return response;
}

Result<ServerResponse> XmlFinishUpload(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const UploadRow upload, FindSession(service, call));
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request, kMaxFinishBytes));
  if (upload.finished != 0) return AnswerFinished(call, upload);
  SEAMOUNT_TRY_ASSIGN(const std::vector<XmlPart> named, ParseFinishUpload(body));
  SEAMOUNT_TRY_ASSIGN(const std::vector<PartRow> stored, service.catalog.ListParts(upload.id));
  const auto parts = ChooseParts(named, stored);
  if (!parts) {
    // Perhaps another request has just finished it, and the parts are the object's.
    SEAMOUNT_TRY_ASSIGN(const UploadRow now, FindSession(service, call));
    if (now.finished != 0) return AnswerFinished(call, now);
    return parts.error();
  }
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  ObjectRow object = upload.object;
  if (object.content_type.empty()) object.content_type = kDefaultContentType;
  SEAMOUNT_TRY_ASSIGN(
      const auto row,
      StoredBucket(service.catalog, service.blobs, call.bucket)
          .PutParts(std::move(object), *parts,
                    {.preconditions = preconditions,
                     .may_overwrite = Has(call, "storage.objects.delete", *call.bucket, call.route.object),
                     .end_upload = upload.id}));
  if (row) return Finished(call, *row);
  SEAMOUNT_TRY_ASSIGN(const UploadRow now, FindSession(service, call));
  if (now.finished != 0) return AnswerFinished(call, now);
  return base::Unavailable("a part was replaced meanwhile: try again");
}

Result<ServerResponse> XmlAbortUpload(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const UploadRow upload, FindSession(service, call));
  SEAMOUNT_TRY(service.catalog.DeleteUpload(upload.id));
  return ServerResponse{.status = 204};
}

}  // namespace seamount::server
