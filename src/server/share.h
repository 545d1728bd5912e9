// A bucket that is a folder of this machine, read-only and without import (share_folder.h): its files are its objects.
//
// A file's generation is made of what its file system says (FileIdentity), so a change is a new one. What is sent is
// read into memory, and the file looked at after it: an answer is of one generation, or is cut off. Checksums are known
// once a content was read whole (share_sums.h). There are no objects for folders.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/backend.h"
#include "server/share_folder.h"
#include "server/share_names.h"
#include "server/share_sums.h"

namespace seamount::server {

// Thread-safe.
class Share final : public BucketBackend {
 public:
  Share(std::unique_ptr<ShareFolder> folder, std::shared_ptr<ShareSums> sums)
      : folder_(std::move(folder)), sums_(std::move(sums)) {}

  Result<std::shared_ptr<const ObjectRow>> Find(const std::string& name) override;
  Result<Listing> List(const ListQuery& query) override;
  Result<std::optional<Content>> Open(const ObjectRow& row) override;

  Result<std::shared_ptr<const ObjectRow>> Put(ObjectRow row, const BlobInfo& content, PutOptions options) override;
  Result<std::shared_ptr<const ObjectRow>> Compose(ObjectRow row, const std::vector<SourceObject>& sources,
                                                   PutOptions options) override;
  Result<std::shared_ptr<const ObjectRow>> Update(const std::string& name, const Preconditions& preconditions,
                                                  std::optional<uint64_t> generation,
                                                  const std::function<Result<void>(ObjectRow&)>& change) override;
  Result<bool> Delete(const std::string& name, const Preconditions& preconditions,
                      std::optional<uint64_t> generation) override;

 private:
  ObjectRow RowOf(const std::string& name, const FileIdentity& file) const;

  const std::unique_ptr<ShareFolder> folder_;
  const std::shared_ptr<ShareSums> sums_;
  NamesCache names_;
};

}  // namespace seamount::server
