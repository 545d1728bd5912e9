// What the object handlers share: rows as API resources, patches onto rows, and the one way a blob becomes an object.
#pragma once

#include <optional>
#include <string>

#include "gcs/wire.h"
#include "server/service.h"

namespace seamount::server {

gcs::ObjectResource ResourceOf(const Call& call, const BucketRow& bucket, const ObjectRow& row);
std::string EtagOf(const ObjectRow& row);

// Validates and applies what a client said. `replace`: metadata is set to exactly this; otherwise entries are merged
// and those without a value removed.
Result<void> ApplyPatch(const gcs::ObjectPatch& patch, ObjectRow& row, bool replace);

// Checksums that a client sent for what it uploads.
struct ExpectedHashes {
  std::optional<uint32_t> crc32c;
  std::optional<std::string> md5;  // base64
};
// From x-goog-hash and Content-MD5, over what the body's metadata said.
ExpectedHashes HashesOf(const net::Headers& headers, const gcs::ObjectPatch& patch);
// InvalidArgument, naming both values.
Result<void> CheckHashes(const ExpectedHashes& expected, const BlobInfo& blob);

// Makes the durable `blob` the content of object row.name, and removes the blob that it replaces; on failure removes
// `blob`. Overwriting needs storage.objects.delete, as in Google's.
Result<std::shared_ptr<const ObjectRow>> PublishBlob(Service& service, const Call& call, const BucketRow& bucket,
                                                     ObjectRow row, const BlobInfo& blob,
                                                     const Preconditions& preconditions,
                                                     const std::string& end_upload = {});

// Reads a body of any size into a new blob.
Result<BlobInfo> ReadIntoBlob(Service& service, const std::function<Result<size_t>(std::span<std::byte>)>& read);

}  // namespace seamount::server
