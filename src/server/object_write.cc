// Changing objects without uploading: metadata, delete, compose, copy, move.
#include <algorithm>
#include <utility>

#include "server/handlers.h"
#include "server/json_text.h"
#include "server/objects.h"

namespace seamount::server {
namespace {

// As in object_read.cc: a source may be overwritten between reading its row and opening its blob.
constexpr int kMaxLooks = 5;

// After the last look: a source that is as it was then, and whose content cannot be opened, is one without it.
Error WhyNotComposed(BucketBackend& backend, const std::vector<SourceObject>& sources) {
  for (const SourceObject& source : sources) {
    const auto content = backend.Open(*source.row);
    if (!content) return content.error();
    if (*content) continue;
    const auto now = backend.Find(source.row->name);
    if (!now) return now.error();
    if (*now && (*now)->generation == source.row->generation) {
      return ContentIsMissing(source.row->name);
    }
  }
  return base::Unavailable("the sources change too often: try again");
}

// The object of the route as a source, under its ifSource… preconditions.
Result<SourceObject> FindSource(Call& call) {
  SEAMOUNT_TRY_ASSIGN(auto row, call.backend->Find(call.route.object));
  SEAMOUNT_TRY_ASSIGN(const auto generation, UintQuery(call.target, "sourceGeneration"));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers, "ifSource"));
  if (!row || (generation && *generation != row->generation)) return NoSuchObject(call.route.bucket, call.route.object);
  if (Evaluate(preconditions, row.get()) != Verdict::kHolds)
    return base::PreconditionFailed("source object '" + call.route.object + "': a precondition does not hold");
  return SourceObject{call.bucket, std::move(row)};
}

}  // namespace

Result<ServerResponse> UpdateObject(Service&, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(const gcs::ObjectPatch patch, ParseObjectBody(body));
  SEAMOUNT_TRY_ASSIGN(const auto generation, UintQuery(call.target, "generation"));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  const bool replace = call.route.operation == Operation::kReplaceObjectMetadata;
  const auto update = [&](ObjectRow& current) -> Result<void> {
    if (replace) {  // what the body leaves out is gone, but for the class of storage, which only a rewrite changes
      std::erase_if(current.fields, [](const auto& field) { return field.first != "storageClass"; });
      current.metadata.clear();
    }
    return ApplyPatch(patch, current, replace);
  };
  SEAMOUNT_TRY_ASSIGN(const auto row, call.backend->Update(call.route.object, preconditions, generation, update));
  if (!row) return NoSuchObject(call.route.bucket, call.route.object);
  return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *row)));
}

Result<ServerResponse> DeleteObject(Service&, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto generation, UintQuery(call.target, "generation"));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  SEAMOUNT_TRY_ASSIGN(const bool deleted, call.backend->Delete(call.route.object, preconditions, generation));
  if (!deleted) return NoSuchObject(call.route.bucket, call.route.object);
  return ServerResponse{.status = 204};
}

Result<ServerResponse> ComposeObject(Service&, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request));
  SEAMOUNT_TRY(CheckComposeFields(body));
  SEAMOUNT_TRY_ASSIGN(const gcs::ComposeRequest compose, gcs::DecodeCompose(body));
  if (compose.sources.empty() || compose.sources.size() > store::kMaxComposeSources)
    return base::InvalidArgument("The number of source components provided must be between 1 and 32.");
  for (const store::ComposeSource& source : compose.sources)
    SEAMOUNT_TRY(Require(call, "storage.objects.get", call.bucket.get(), source.key));
  SEAMOUNT_TRY(CheckObjectName(call.route.object));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  ObjectRow row{.name = call.route.object};
  SEAMOUNT_TRY(ApplyPatch(compose.destination, row, true));

  const PutOptions options{.preconditions = preconditions,
                           .may_overwrite = Has(call, "storage.objects.delete", *call.bucket, call.route.object)};

  std::vector<SourceObject> sources;
  for (int look = 0; look < kMaxLooks; ++look) {
    sources.clear();
    row.component_count = 0;
    for (const store::ComposeSource& source : compose.sources) {
      SEAMOUNT_TRY_ASSIGN(auto found, call.backend->Find(source.key));
      if (!found) return NoSuchObject(call.route.bucket, source.key);
      if (source.if_generation && *source.if_generation != gcs::GenerationOf(found->generation))
        return base::PreconditionFailed("source object '" + source.key + "': its generation is " +
                                        std::to_string(found->generation));
      row.component_count += std::max(1, found->component_count);
      sources.push_back({call.bucket, std::move(found)});
    }
    SEAMOUNT_TRY_ASSIGN(const auto stored, call.backend->Compose(row, sources, options));
    if (stored) return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *stored)));
  }
  return WhyNotComposed(*call.backend, sources);
}

namespace {

// A content from elsewhere than the blobs, as one.
Result<std::optional<BlobInfo>> CopyIntoBlob(Service& service, BucketBackend& from, const ObjectRow& row) {
  SEAMOUNT_TRY_ASSIGN(const auto content, from.Open(row));
  if (!content) return std::optional<BlobInfo>();
  BlobWriter writer = service.blobs.Create();
  SEAMOUNT_TRY(ReadAll(*content, [&](std::span<const std::byte> data) { return writer.Append(data); }));
  SEAMOUNT_TRY_ASSIGN(BlobInfo info, writer.Commit());
  return std::optional(std::move(info));
}

}  // namespace

Result<std::shared_ptr<const ObjectRow>> CopyContent(Service& service, const Call& call,
                                                     const std::function<Result<SourceObject>()>& find,
                                                     const CopyTarget& to, const gcs::ObjectPatch& patch) {
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  SEAMOUNT_TRY_ASSIGN(const auto backend, service.BackendOf(to.bucket));
  const PutOptions options{.preconditions = preconditions,
                           .may_overwrite = Has(call, "storage.objects.delete", *to.bucket, to.object)};
  for (int look = 0; look < kMaxLooks; ++look) {
    SEAMOUNT_TRY_ASSIGN(const SourceObject source, find());
    ObjectRow row = *source.row;
    row.name = to.object;
    row.metageneration = 1;
    SEAMOUNT_TRY(ApplyPatch(patch, row, true));
    std::shared_ptr<const ObjectRow> stored;
    if (source.bucket->is_share) {
      SEAMOUNT_TRY_ASSIGN(const auto from, service.BackendOf(source.bucket));
      SEAMOUNT_TRY_ASSIGN(const auto blob, CopyIntoBlob(service, *from, *source.row));
      if (!blob) continue;
      SEAMOUNT_TRY_ASSIGN(stored, backend->Put(std::move(row), *blob, options));
    } else {
      SEAMOUNT_TRY_ASSIGN(stored, backend->Compose(std::move(row), {source}, options));
    }
    if (stored) return stored;
  }
  SEAMOUNT_TRY_ASSIGN(const SourceObject source, find());
  SEAMOUNT_TRY_ASSIGN(const auto from, service.BackendOf(source.bucket));
  return WhyNotComposed(*from, {source});
}

Result<ServerResponse> CopyObject(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(const gcs::ObjectPatch patch, ParseObjectBody(body));
  SEAMOUNT_TRY(CheckObjectName(call.route.to_object));
  const auto to_bucket = service.catalog.FindBucket(call.route.to_bucket);
  SEAMOUNT_TRY(Require(call, "storage.objects.create", to_bucket.get(), call.route.to_object));
  if (!to_bucket) return base::NotFound("The specified bucket does not exist: " + call.route.to_bucket);
  SEAMOUNT_TRY_ASSIGN(const auto stored,
                      CopyContent(
                          service, call, [&] { return FindSource(call); }, {to_bucket, call.route.to_object}, patch));
  gcs::ObjectResource resource = ResourceOf(call, *to_bucket, *stored);
  if (call.route.operation == Operation::kCopyObject) return JsonResponse(200, gcs::EncodeObject(resource));
  return JsonResponse(200, gcs::EncodeRewrite({.total_bytes_rewritten = stored->size,
                                               .object_size_bytes = stored->size,
                                               .done = true,
                                               .resource = std::move(resource)}));
}

Result<ServerResponse> MoveObject(Service&, Call& call) {
  SEAMOUNT_TRY(CheckObjectName(call.route.to_object));
  SEAMOUNT_TRY(Require(call, "storage.objects.create", call.bucket.get(), call.route.to_object));
  if (call.route.to_object == call.route.object) return base::InvalidArgument("an object cannot be moved onto itself");
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  for (int look = 0; look < kMaxLooks; ++look) {
    SEAMOUNT_TRY_ASSIGN(const SourceObject source, FindSource(call));
    ObjectRow row = *source.row;
    row.name = call.route.to_object;
    row.metageneration = 1;
    SEAMOUNT_TRY_ASSIGN(
        const auto stored,
        call.backend->Compose(std::move(row), {source},
                              {.preconditions = preconditions,
                               .may_overwrite = Has(call, "storage.objects.delete", *call.bucket, call.route.to_object),
                               .move = true}));
    if (stored) return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *stored)));
  }
  SEAMOUNT_TRY_ASSIGN(const SourceObject source, FindSource(call));
  return WhyNotComposed(*call.backend, {source});
}

}  // namespace seamount::server
