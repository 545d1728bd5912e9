#include "server/share.h"

#include <utility>

#include "server/list_bounds.h"
#include "server/objects.h"
#include "server/share_reader.h"
#include "server/share_walk.h"

namespace seamount::server {
namespace {

constexpr char kMd5OfNothing[] = "1B2M2Y8AsgTpgAmY7PhCfg==";

}  // namespace

Error IsReadOnly(const std::string& bucket) {
  return base::PermissionDenied("bucket '" + bucket +
                                "' is a folder that this server shares, and read-only: nothing can be written to it");
}

ObjectRow Share::RowOf(const std::string& name, const FileIdentity& file) const {
  ObjectRow row{.name = name, .generation = file.generation(), .size = file.size, .content_type = kDefaultContentType};
  row.created = row.updated = file.mtime_ns / 1000;
  if (file.size == 0) {
    row.crc32c = 0;
    row.md5 = kMd5OfNothing;
  } else if (auto sums = sums_->Find(file)) {
    row.crc32c = sums->crc32c;
    row.md5 = std::move(sums->md5);
  }
  return row;
}

Result<std::shared_ptr<const ObjectRow>> Share::Find(const std::string& name) {
  SEAMOUNT_TRY_ASSIGN(const auto file, folder_->Find(name));
  if (!file) return std::shared_ptr<const ObjectRow>();
  return std::shared_ptr<const ObjectRow>(std::make_shared<ObjectRow>(RowOf(name, file->identity)));
}

Result<std::optional<Content>> Share::Open(const ObjectRow& row) {
  SEAMOUNT_TRY_ASSIGN(const auto file, folder_->Find(row.name));
  if (!file || file->identity.generation() != row.generation) return std::optional<Content>();
  SEAMOUNT_TRY_ASSIGN(auto fd, folder_->OpenForRead(*file, row.name));
  if (!fd) return std::optional<Content>();
  return std::optional(
      ContentOfFile(*std::move(fd), file->identity, "object '" + folder_->bucket() + "/" + row.name + "'", sums_));
}

// A name that folds into a prefix makes the walk jump behind all names with that prefix. Where that is a whole folder,
// one file in it is proof enough, and its names are not put in order.
Result<Listing> Share::List(const ListQuery& query) {
  Listing listing;
  SEAMOUNT_TRY_ASSIGN(const ListBounds bounds,
                      BoundsOf({query.prefix, query.start_offset, query.end_offset, query.page_token}));
  ShareWalk walk(*folder_, names_);
  walk.Seek(bounds.from);
  SEAMOUNT_TRY(walk.Begin(query.prefix));
  while (const auto entry = walk.Next()) {
    if (!bounds.until.empty() && entry->key >= bounds.until) break;
    const size_t cut =
        query.delimiter.empty() ? std::string::npos : entry->key.find(query.delimiter, query.prefix.size());
    const std::string prefix = cut == std::string::npos ? "" : entry->key.substr(0, cut + query.delimiter.size());
    std::optional<FileIdentity> file;
    if (entry->is_folder) {
      const std::string behind = AfterPrefix(entry->key);
      const bool whole = bounds.holds(entry->key) && (bounds.until.empty() || behind <= bounds.until);
      if (prefix.empty() || !whole) {
        SEAMOUNT_TRY(walk.Enter(*entry));
        continue;
      }
      SEAMOUNT_TRY_ASSIGN(const bool has_file, walk.HasFile(*entry));
      if (!has_file) continue;
    } else {
      SEAMOUNT_TRY_ASSIGN(file, walk.Look(*entry));
      if (!file) continue;
    }
    if (listing.objects.size() + listing.prefixes.size() >= static_cast<size_t>(query.max_results)) {
      listing.next_page_token = PageTokenOf(entry->key);
      break;
    }
    if (prefix.empty()) {
      listing.objects.push_back(RowOf(entry->key, *file));
      continue;
    }
    listing.prefixes.push_back(prefix);
    if (file && query.include_trailing_delimiter && entry->key == prefix)
      listing.objects.push_back(RowOf(entry->key, *file));
    walk.Seek(AfterPrefix(prefix));
  }
  return listing;
}

Result<std::shared_ptr<const ObjectRow>> Share::Put(ObjectRow, const BlobInfo&, PutOptions) {
  return IsReadOnly(folder_->bucket());
}

Result<std::shared_ptr<const ObjectRow>> Share::Compose(ObjectRow, const std::vector<SourceObject>&, PutOptions) {
  return IsReadOnly(folder_->bucket());
}

Result<std::shared_ptr<const ObjectRow>> Share::Update(const std::string&, const Preconditions&,
                                                       std::optional<uint64_t>,
                                                       const std::function<Result<void>(ObjectRow&)>&) {
  return IsReadOnly(folder_->bucket());
}

Result<bool> Share::Delete(const std::string&, const Preconditions&, std::optional<uint64_t>) {
  return IsReadOnly(folder_->bucket());
}

}  // namespace seamount::server
