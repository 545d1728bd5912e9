// Uploads: in one request where the object is small, else a resumable session that goes on where it broke off.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "gcs/service_client.h"
#include "store/retry/backoff.h"
#include "store/store.h"

namespace seamount::gcs {

struct UploadOptions {
  // From here on a resumable session, which costs one round trip more but loses little when the client breaks. Below
  // lie the parts that a mount sends of a big file (vfs/part_upload.h).
  uint64_t resumable_from_bytes = 16ULL << 20;
  // A multiple of 256 KiB, as the API wants it. What a broken client has to send again, against a round trip of
  // silence for each chunk.
  uint64_t chunk_bytes = 32ULL << 20;
  // How long a session is tried again without one byte more at the server, before the upload as a whole has failed.
  base::Duration patience = std::chrono::seconds(60);
  store::BackoffOptions backoff;
};

// The object's new info. The server is told the CRC32C beforehand and refuses other bytes.
Result<store::ObjectInfo> Upload(const ServiceClient& client, const std::string& key, const store::ByteSource& source,
                                 const store::WriteOptions& options, const UploadOptions& upload,
                                 const CallContext& context);

}  // namespace seamount::gcs
