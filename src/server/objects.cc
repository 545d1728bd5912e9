#include "server/objects.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "server/json_text.h"
#include "server/xml_text.h"

namespace seamount::server {

Error NoSuchObject(const std::string& bucket, const std::string& object) {
  return base::NotFound("No such object: " + bucket + "/" + object);
}

Error ContentIsMissing(const std::string& object) {
  return base::DataLoss("object '" + object + "': its content is missing on the server's disk");
}

gcs::ObjectResource ResourceOf(const Call& call, const BucketRow& bucket, const ObjectRow& row) {
  gcs::ObjectResource resource;
  resource.info.key = row.name;
  resource.info.size_bytes = row.size;
  resource.info.generation = gcs::GenerationOf(row.generation);
  resource.info.crc32c = row.crc32c;
  resource.info.updated = base::SystemTime(std::chrono::microseconds(row.updated));
  resource.info.content_type = row.content_type;
  resource.info.metadata = row.metadata;
  resource.bucket = bucket.name;
  resource.metageneration = row.metageneration;
  resource.created = base::SystemTime(std::chrono::microseconds(row.created));
  resource.md5_base64 = row.md5;
  resource.etag = EtagOf(row);
  const std::string path = gcs::ObjectPath(bucket.name, row.name);
  resource.self_link = call.base_url + path;
  resource.media_link =
      call.base_url + "/download" + path + "?generation=" + std::to_string(row.generation) + "&alt=media";
  resource.other = row.fields;
  return resource;
}

namespace {

constexpr size_t kMaxMetadataBytes = 8 << 10;  // as Google's: they become headers, which clients limit
constexpr size_t kMaxFieldBytes = 1024;

Result<void> CheckLength(const std::string& value, const std::string& what) {
  if (value.size() <= kMaxFieldBytes) return {};
  return base::InvalidArgument(what + ": " + std::to_string(value.size()) + " bytes (at most 1024)");
}

Result<void> ApplyFields(const gcs::ObjectPatch& patch, ObjectRow& row) {
  for (const auto& [name, value] : patch.other) {
    if (!value) {
      row.fields.erase(name);
      continue;
    }
    SEAMOUNT_TRY(CheckText(*value, name));
    SEAMOUNT_TRY(CheckLength(*value, name));
    if (name == "customTime" && !gcs::ParseTime(*value))
      return base::InvalidArgument("customTime '" + *value + "': not RFC 3339 (2026-01-31T12:00:00Z)");
    row.fields[name] = *value;
  }
  return {};
}

}  // namespace

Result<gcs::ObjectPatch> ParseObjectBody(std::string_view json) {
  // Google's Go library writes "null" for no resource.
  if (json.empty() || json.substr(0, json.find('\n')) == "null") json = "{}";
  SEAMOUNT_TRY(CheckObjectFields(json));
  return gcs::DecodePatch(json);
}

Result<void> ApplyPatch(const gcs::ObjectPatch& patch, ObjectRow& row, bool replace) {
  if (patch.content_type) {
    SEAMOUNT_TRY(CheckText(*patch.content_type, "contentType"));
    SEAMOUNT_TRY(CheckLength(*patch.content_type, "contentType"));
    row.content_type = patch.content_type->empty() ? kDefaultContentType : *patch.content_type;
  }
  SEAMOUNT_TRY(ApplyFields(patch, row));
  if (patch.clears_metadata || (replace && patch.metadata)) row.metadata.clear();
  if (!patch.metadata) return {};
  for (const auto& [name, value] : *patch.metadata) {
    SEAMOUNT_TRY(CheckText(name, "metadata key"));
    if (value) {
      row.metadata[name] = *value;
    } else {
      row.metadata.erase(name);
    }
  }
  size_t bytes = 0;
  for (const auto& [name, value] : row.metadata) bytes += name.size() + value.size();
  if (bytes > kMaxMetadataBytes) return base::InvalidArgument("metadata: larger than 8 KiB");
  return {};
}

ExpectedHashes HashesOf(const net::Headers& headers, const gcs::ObjectPatch& patch) {
  ExpectedHashes expected;
  if (patch.crc32c) expected.crc32c.push_back(*patch.crc32c);
  if (patch.md5_base64) expected.md5.push_back(*patch.md5_base64);
  for (const auto& [name, value] : headers.entries()) {
    if (net::EqualNames(name, "content-md5")) expected.md5.push_back(value);
    if (!net::EqualNames(name, "x-goog-hash")) continue;
    if (const auto crc32c = gcs::Crc32cOfHashHeader(value)) expected.crc32c.push_back(*crc32c);
    if (const size_t at = value.find("md5="); at != std::string::npos)
      expected.md5.push_back(value.substr(at + 4, value.find_first_of(", ", at) - at - 4));
  }
  return expected;
}

Result<void> CheckHashes(const ExpectedHashes& expected, const BlobInfo& blob) {
  for (const uint32_t crc32c : expected.crc32c)
    if (crc32c != blob.crc32c)
      return base::InvalidArgument("Provided CRC32C \"" + base::Crc32cToBase64(crc32c) +
                                   "\" doesn't match calculated CRC32C \"" + base::Crc32cToBase64(blob.crc32c) + "\".");
  for (const std::string& md5 : expected.md5) {
    const auto bytes = base::Base64Decode(md5);
    if (!bytes || bytes->size() != 16) {
      return base::InvalidArgument(std::string(kNoDigest) + "\"" + md5 + "\" (expected 16 bytes in base64)");
    }
  }
  if (blob.md5.empty() && !expected.md5.empty())
    return base::InvalidArgument("Provided MD5 hash \"" + expected.md5.front() +
                                 "\" cannot be checked: the upload began with '" + gcs::kMd5Header + ": " +
                                 gcs::kNoMd5 + "' (leave out one of the two)");
  for (const std::string& md5 : expected.md5)
    if (md5 != blob.md5)
      return base::InvalidArgument("Provided MD5 hash \"" + md5 + "\" doesn't match calculated MD5 hash \"" + blob.md5 +
                                   "\".");
  return {};
}

Result<std::shared_ptr<const ObjectRow>> PublishBlob(const Call& call, ObjectRow row, const BlobInfo& blob,
                                                     const Preconditions& preconditions,
                                                     const std::string& end_upload) {
  if (row.content_type.empty()) row.content_type = kDefaultContentType;
  const bool may_overwrite = Has(call, "storage.objects.delete", *call.bucket, row.name);
  return call.backend->Put(std::move(row), blob,
                           {.preconditions = preconditions, .may_overwrite = may_overwrite, .end_upload = end_upload});
}

Result<std::shared_ptr<const ObjectRow>> FinishUpload(Service& service, Call& call, ObjectRow row, const BlobInfo& blob,
                                                      const ExpectedHashes& expected) {
  auto preconditions = ParsePreconditions(call.target, call.request.headers);
  Result<void> good = preconditions ? CheckHashes(expected, blob) : Result<void>(preconditions.error());
  if (!good) {
    service.blobs.Discard(blob);
    return std::move(good).error();
  }
  return PublishBlob(call, std::move(row), blob, *preconditions);
}

bool WantsMd5(const net::Headers& headers) { return headers.Get(gcs::kMd5Header) != gcs::kNoMd5; }

Result<BlobInfo> ReadIntoBlob(Service& service, const std::function<Result<size_t>(std::span<std::byte>)>& read,
                              bool with_md5) {
  BlobWriter writer = service.blobs.Create({.md5 = with_md5});
  Buffer buffer(256 << 10);
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const size_t got, read(buffer.span()));
    if (got == 0) return writer.Commit();
    SEAMOUNT_TRY(writer.Append(buffer.span().first(got)));
  }
}

}  // namespace seamount::server
