// Uploads in parts by the XML API (https://cloud.google.com/storage/docs/multipart-uploads). Each part is a durable
// blob with a row of its own; the end strings the blobs together into the object's. Parts come in any order and may
// come at the same time, and one that comes again replaces what was there.
#include <utility>

#include "base/checksum.h"
#include "base/encoding.h"
#include "server/handlers.h"
#include "server/objects.h"
#include "server/xml_text.h"

namespace seamount::server {
namespace {

// 10,000 parts, with room for line breaks and a checksum each.
constexpr size_t kMaxFinishBytes = 4 << 20;

Result<UploadRow> FindSession(Service& service, const Call& call) {
  SEAMOUNT_TRY_ASSIGN(auto upload, service.catalog.FindUpload(std::string(call.target.Query("uploadId").value_or(""))));
  const bool callers = upload && upload->in_parts && upload->bucket == call.bucket->name &&
                       upload->email == call.identity.email && upload->object.name == call.route.object;
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

void RemoveParts(Service& service, const std::vector<PartRow>& parts) {
  for (const PartRow& part : parts) service.blobs.Remove(part.blob);
}

ServerResponse Finished(const Call& call, const ObjectRow& row) {
  const std::string location = call.base_url + "/" + call.bucket->name + "/" + base::PercentEncode(row.name);
  ServerResponse response = XmlResponse(XmlFinishUploadText(location, call.bucket->name, row));
  AddGenerationHeaders(row, response.headers);
  return response;
}

}  // namespace

Result<ServerResponse> XmlStartUpload(Service& service, Call& call) {
  EndOldSessions(service);
  SEAMOUNT_TRY(CheckObjectName(call.route.object));
  UploadRow upload{.id = RandomId(),
                   .bucket = call.bucket->name,
                   .object = {.name = call.route.object},
                   .email = call.identity.email,
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
  SEAMOUNT_TRY_ASSIGN(const BlobInfo blob, ReadIntoBlob(service, call.request.read_body));
  PartRow part{static_cast<uint32_t>(*number), blob.size, blob.crc32c, blob.md5, blob.id};
  Result<void> good = CheckHashes(HashesOf(call.request.headers, {}), blob);
  Result<std::string> replaced = good ? service.catalog.PutPart(upload.id, part) : Result<std::string>(good.error());
  if (!replaced) {
    service.blobs.Remove(blob.id);
    return std::move(replaced).error();
  }
  service.blobs.Confirm(blob.id);
  if (!replaced->empty()) service.blobs.Remove(*replaced);
  ServerResponse response;
  response.headers.Add("ETag", "\"" + PartEtag(part) + "\"");
  response.headers.Add("x-goog-hash", "crc32c=" + base::Crc32cToBase64(blob.crc32c) + ",md5=" + blob.md5);
  return response;
}

Result<ServerResponse> XmlFinishUpload(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const UploadRow upload, FindSession(service, call));
  if (upload.finished != 0) {  // the client missed the answer
    SEAMOUNT_TRY_ASSIGN(const auto row, service.catalog.FindObject(*call.bucket, upload.object.name));
    if (row && row->generation == upload.finished) return Finished(call, *row);
    return base::NotFound("no such upload: begin it again");
  }
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request, kMaxFinishBytes));
  SEAMOUNT_TRY_ASSIGN(const std::vector<XmlPart> named, ParseFinishUpload(body));
  SEAMOUNT_TRY_ASSIGN(const std::vector<PartRow> stored, service.catalog.ListParts(upload.id));
  SEAMOUNT_TRY_ASSIGN(const std::vector<PartRow> parts, ChooseParts(named, stored));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  BlobInfo info;
  std::vector<std::string> blobs;
  for (const PartRow& part : parts) {
    info.crc32c = base::Crc32cCombine(info.crc32c, part.crc32c, part.size);
    info.size += part.size;
    blobs.push_back(part.blob);
  }
  SEAMOUNT_TRY_ASSIGN(info.id, service.blobs.Concatenate(blobs));
  SEAMOUNT_TRY_ASSIGN(const auto row,
                      PublishBlob(service, call, *call.bucket, upload.object, info, preconditions, upload.id));
  RemoveParts(service, stored);
  return Finished(call, *row);
}

Result<ServerResponse> XmlAbortUpload(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const UploadRow upload, FindSession(service, call));
  SEAMOUNT_TRY_ASSIGN(const std::vector<PartRow> parts, service.catalog.ListParts(upload.id));
  SEAMOUNT_TRY(service.catalog.DeleteUpload(upload.id));
  RemoveParts(service, parts);
  return ServerResponse{.status = 204};
}

}  // namespace seamount::server
