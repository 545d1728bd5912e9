// What the object handlers share: rows as API resources, patches onto rows, and the one way a blob becomes an object.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "gcs/wire.h"
#include "server/service.h"

namespace seamount::server {

constexpr char kDefaultContentType[] = "application/octet-stream";

gcs::ObjectResource ResourceOf(const Call& call, const BucketRow& bucket, const ObjectRow& row);

// The object resource in a request's body. A field that asks for something this server does not do (a hold, a key to
// encrypt with) is InvalidArgument: passing it over would promise what is not kept.
Result<gcs::ObjectPatch> ParseObjectBody(std::string_view json);

// The same from the headers of the XML API.
gcs::ObjectPatch PatchOfHeaders(const net::Headers& headers);

// Validates and applies what a client said. `replace`: metadata is set to exactly this; otherwise entries are merged
// and those without a value removed.
Result<void> ApplyPatch(const gcs::ObjectPatch& patch, ObjectRow& row, bool replace);

// Checksums that a client sent for what it uploads, in one place or in several: all must fit.
struct ExpectedHashes {
  std::vector<uint32_t> crc32c;
  std::vector<std::string> md5;  // base64
};
// From x-goog-hash, Content-MD5, and what the body's metadata said.
ExpectedHashes HashesOf(const net::Headers& headers, const gcs::ObjectPatch& patch);
// InvalidArgument, naming both values, or the one that is no hash; its message begins with kWrongDigest or kNoDigest
// (xml_text.h), which the XML API has codes for.
Result<void> CheckHashes(const ExpectedHashes& expected, const BlobInfo& blob);

// Makes the durable `blob` the content of object row.name; on failure gives it up. Null: the upload that this was to
// end is finished already. Overwriting needs storage.objects.delete, as in Google's.
Result<std::shared_ptr<const ObjectRow>> PublishBlob(const Call& call, ObjectRow row, const BlobInfo& blob,
                                                     const Preconditions& preconditions,
                                                     const std::string& end_upload = {});

// Copies the object that `find` gives (asked again where its content was replaced meanwhile) to `to_object` under the
// request's preconditions; `patch` changes its metadata.
struct CopyTarget {
  std::shared_ptr<const BucketRow> bucket;
  std::string object;
};
Result<std::shared_ptr<const ObjectRow>> CopyContent(Service& service, const Call& call,
                                                     const std::function<Result<SourceObject>()>& find,
                                                     const CopyTarget& to, const gcs::ObjectPatch& patch);

// The end of an upload in one request: checks what came against what was said of it, and publishes it.
Result<std::shared_ptr<const ObjectRow>> FinishUpload(Service& service, Call& call, ObjectRow row, const BlobInfo& blob,
                                                      const ExpectedHashes& expected);

void AddGenerationHeaders(const ObjectRow& row, net::Headers& headers);

Error NoSuchObject(const std::string& bucket, const std::string& object);
// DataLoss: its row is there.
Error ContentIsMissing(const std::string& object);

// Reads a body of any size into a new blob.
Result<BlobInfo> ReadIntoBlob(Service& service, const std::function<Result<size_t>(std::span<std::byte>)>& read,
                              bool with_md5);

// Whether the client wants an MD5 of what it writes (gcs::kMd5Header).
bool WantsMd5(const net::Headers& headers);

}  // namespace seamount::server
