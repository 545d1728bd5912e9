// A bucket whose objects are rows of the catalog and whose contents are blobs.
//
// A content is a list of whole blobs: composing, copying and moving objects name the blobs again instead of copying
// bytes, so that an append to an object of any size costs what is appended. Blobs below kMergeBytes that meet in a
// composed content are copied into one, so that many small appends do not make a long list.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/backend.h"

namespace seamount::server {

constexpr uint64_t kMergeBytes = 4 << 20;

class StoredBucket final : public BucketBackend {
 public:
  StoredBucket(Catalog& catalog, BlobStore& blobs, std::shared_ptr<const BucketRow> bucket)
      : catalog_(catalog), blobs_(blobs), bucket_(std::move(bucket)) {}

  Result<std::shared_ptr<const ObjectRow>> Find(const std::string& name) override {
    return catalog_.FindObject(*bucket_, name);
  }
  Result<Listing> List(const ListQuery& query) override { return catalog_.ListObjects(*bucket_, query); }
  Result<std::optional<Content>> Open(const ObjectRow& row) override;
  Result<std::shared_ptr<const ObjectRow>> Put(ObjectRow row, const BlobInfo& content, PutOptions options) override;
  Result<std::shared_ptr<const ObjectRow>> Compose(ObjectRow row, const std::vector<SourceObject>& sources,
                                                   PutOptions options) override;
  Result<std::shared_ptr<const ObjectRow>> Update(const std::string& name, const Preconditions& preconditions,
                                                  std::optional<uint64_t> generation,
                                                  const std::function<Result<void>(ObjectRow&)>& change) override {
    return catalog_.UpdateObject(*bucket_, name, preconditions, generation, change);
  }
  Result<bool> Delete(const std::string& name, const Preconditions& preconditions,
                      std::optional<uint64_t> generation) override {
    return catalog_.DeleteObject(*bucket_, name, preconditions, generation);
  }

  // Makes the parts of an upload, in this order, the content of object row.name, and ends the upload. Null: it is
  // finished already.
  Result<std::shared_ptr<const ObjectRow>> PutParts(ObjectRow row, const std::vector<PartRow>& parts,
                                                    PutOptions options);

 private:
  // What was written for a content, and is its own until the content's row is durable.
  struct Joined {
    std::vector<Extent> content;
    std::vector<std::string> written;  // files
    std::string small;                 // as PutOptions'
  };
  using Stored = Result<std::shared_ptr<const ObjectRow>>;
  // `extents` as a content: small ones that lie side by side are one, and a small blob is a content alone or not at
  // all. False: a blob is gone.
  Result<bool> Join(const std::vector<Extent>& extents, const std::string& what, Joined& joined);
  Result<bool> JoinRun(std::span<const Extent> run, bool is_all, const std::string& what, Joined& joined);
  Stored JoinAndPut(ObjectRow row, const std::vector<Extent>& extents, PutOptions options, const std::string& what);
  // The blobs that were written for a content are its own now, or are given up.
  void Settle(const std::vector<std::string>& written, const Stored& stored);
  Result<std::optional<Content>> OpenExtents(const std::vector<Extent>& extents, uint64_t size,
                                             const std::string& what);
  std::string NameOf(const ObjectRow& row) const { return "object '" + bucket_->name + "/" + row.name + "'"; }

  Catalog& catalog_;
  BlobStore& blobs_;
  std::shared_ptr<const BucketRow> bucket_;
};

}  // namespace seamount::server
