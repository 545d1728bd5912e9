// Where the objects of a bucket are: what the object handlers speak to. Stored buckets (catalog and blobs,
// stored_bucket.h) are one kind; a bucket that is a folder of this machine (BucketRow::is_share, share.h) is the other,
// and everything above this header refuses to write to it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "net/http_server.h"
#include "server/blob_store.h"
#include "server/catalog.h"

namespace seamount::server {

// A content that is open for reading. Stays what it was when it was opened, whatever becomes of its object.
struct Content {
  uint64_t size = 0;
  Bytes small;  // the whole content, where `next` is empty
  // Where the bytes from `begin` on are, at least one and none past `end`, checked; valid until the next call. DataLoss
  // names the object and what is damaged, Unavailable one that changed while it was read.
  std::function<Result<net::ServerResponse::FilePart>(uint64_t begin, uint64_t end)> next;
};

// An object that is a part of a new one's content.
struct SourceObject {
  std::shared_ptr<const BucketRow> bucket;
  std::shared_ptr<const ObjectRow> row;
};

// Thread-safe. A backend that cannot be written to answers every change with PermissionDenied that says so.
class BucketBackend {
 public:
  virtual ~BucketBackend() = default;

  // Null if absent.
  virtual Result<std::shared_ptr<const ObjectRow>> Find(const std::string& name) = 0;
  virtual Result<Listing> List(const ListQuery& query) = 0;
  // Of a row that Find gave. nullopt: the object was deleted or replaced since: look again. DataLoss where its content
  // is damaged or not there.
  virtual Result<std::optional<Content>> Open(const ObjectRow& row) = 0;

  // Makes the bytes just written the content of object row.name. What of `content` was written is given up on failure.
  virtual Result<std::shared_ptr<const ObjectRow>> Put(ObjectRow row, const BlobInfo& content, PutOptions options) = 0;
  // Makes the contents of stored objects, one after the other, the content of object row.name, without copying them
  // but for small ones. Null: a source was replaced meanwhile: look again.
  virtual Result<std::shared_ptr<const ObjectRow>> Compose(ObjectRow row, const std::vector<SourceObject>& sources,
                                                           PutOptions options) = 0;
  // As Catalog's.
  virtual Result<std::shared_ptr<const ObjectRow>> Update(const std::string& name, const Preconditions& preconditions,
                                                          std::optional<uint64_t> generation,
                                                          const std::function<Result<void>(ObjectRow&)>& change) = 0;
  virtual Result<bool> Delete(const std::string& name, const Preconditions& preconditions,
                              std::optional<uint64_t> generation) = 0;
};

// What a change of a shared folder's bucket is answered with.
Error IsReadOnly(const std::string& bucket);

// Calls `take` with all bytes of `content` in order.
Result<void> ReadAll(const Content& content, const std::function<Result<void>(std::span<const std::byte>)>& take);

}  // namespace seamount::server
