// Changing objects without uploading: metadata, delete, compose, copy, move.
#include <utility>

#include "base/checksum.h"
#include "server/handlers.h"
#include "server/json_text.h"
#include "server/objects.h"

namespace seamount::server {
namespace {

// As in object_read.cc: a source may be overwritten between reading its row and opening its blob.
constexpr int kMaxLooks = 5;

// The object of the route as a source, under its ifSource… preconditions.
Result<std::shared_ptr<const ObjectRow>> FindSource(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(auto row, service.catalog.FindObject(*call.bucket, call.route.object));
  SEAMOUNT_TRY_ASSIGN(const auto generation, UintQuery(call.target, "sourceGeneration"));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers, "ifSource"));
  if (!row || (generation && *generation != row->generation)) return NoSuchObject(call.route.bucket, call.route.object);
  if (Evaluate(preconditions, row.get()) != Verdict::kHolds)
    return base::PreconditionFailed("source object '" + call.route.object + "': a precondition does not hold");
  return row;
}

// The hash and the bytes of sources one after the other.
BlobInfo CombinedInfo(const std::vector<std::shared_ptr<const ObjectRow>>& rows) {
  BlobInfo info;
  for (const auto& row : rows) {
    info.crc32c = base::Crc32cCombine(info.crc32c, row->crc32c, row->size);
    info.size += row->size;
  }
  return info;
}

}  // namespace

Result<ServerResponse> UpdateObject(Service& service, Call& call) {
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
  SEAMOUNT_TRY_ASSIGN(const auto row,
                      service.catalog.UpdateObject(*call.bucket, call.route.object, preconditions, generation, update));
  if (!row) return NoSuchObject(call.route.bucket, call.route.object);
  return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *row)));
}

Result<ServerResponse> DeleteObject(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const auto generation, UintQuery(call.target, "generation"));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  SEAMOUNT_TRY_ASSIGN(const auto freed,
                      service.catalog.DeleteObject(*call.bucket, call.route.object, preconditions, generation));
  if (!freed) return NoSuchObject(call.route.bucket, call.route.object);
  service.blobs.Remove(*freed);
  return ServerResponse{.status = 204};
}

Result<ServerResponse> ComposeObject(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request));
  SEAMOUNT_TRY(CheckComposeFields(body));
  SEAMOUNT_TRY_ASSIGN(const gcs::ComposeRequest compose, gcs::DecodeCompose(body));
  if (compose.sources.empty() || compose.sources.size() > store::kMaxComposeSources)
    return base::InvalidArgument("The number of source components provided must be between 1 and 32.");
  SEAMOUNT_TRY(Require(call, "storage.objects.get", call.bucket.get()));
  SEAMOUNT_TRY(CheckObjectName(call.route.object));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  ObjectRow row{.name = call.route.object};
  SEAMOUNT_TRY(ApplyPatch(compose.destination, row, true));

  for (int look = 0; look < kMaxLooks; ++look) {
    std::vector<std::shared_ptr<const ObjectRow>> sources;
    std::vector<std::string> blobs;
    row.component_count = 0;
    for (const store::ComposeSource& source : compose.sources) {
      SEAMOUNT_TRY_ASSIGN(auto found, service.catalog.FindObject(*call.bucket, source.key));
      if (!found) return NoSuchObject(call.route.bucket, source.key);
      if (source.if_generation && *source.if_generation != gcs::GenerationOf(found->generation))
        return base::PreconditionFailed("source object '" + source.key + "': its generation is " +
                                        std::to_string(found->generation));
      blobs.push_back(found->blob);
      row.component_count += std::max(1, found->component_count);
      sources.push_back(std::move(found));
    }
    BlobInfo info = CombinedInfo(sources);
    auto id = service.blobs.Concatenate(blobs);
    if (!id && id.error().code() == ErrorCode::kNotFound) continue;
    if (!id) return std::move(id).error();
    info.id = *std::move(id);
    SEAMOUNT_TRY_ASSIGN(const auto stored, PublishBlob(service, call, *call.bucket, row, info, preconditions));
    return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *stored)));
  }
  return base::Unavailable("the sources change too often: try again");
}

Result<std::shared_ptr<const ObjectRow>> CopyContent(
    Service& service, const Call& call, const std::function<Result<std::shared_ptr<const ObjectRow>>()>& find,
    const BucketRow& to_bucket, const std::string& to_object, const gcs::ObjectPatch& patch) {
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  for (int look = 0; look < kMaxLooks; ++look) {
    SEAMOUNT_TRY_ASSIGN(const auto source, find());
    auto id = service.blobs.Duplicate(source->blob);
    if (!id && id.error().code() == ErrorCode::kNotFound) continue;
    if (!id) return std::move(id).error();
    ObjectRow row = *source;
    row.name = to_object;
    row.metageneration = 1;
    const BlobInfo info{*std::move(id), row.size, row.crc32c, row.md5};
    if (auto applied = ApplyPatch(patch, row, true); !applied) {
      service.blobs.Remove(info.id);
      return std::move(applied).error();
    }
    return PublishBlob(service, call, to_bucket, std::move(row), info, preconditions);
  }
  return base::Unavailable("the source changes too often: try again");
}

Result<ServerResponse> CopyObject(Service& service, Call& call) {
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(const gcs::ObjectPatch patch, ParseObjectBody(body));
  SEAMOUNT_TRY(CheckObjectName(call.route.to_object));
  const auto to_bucket = service.catalog.FindBucket(call.route.to_bucket);
  SEAMOUNT_TRY(Require(call, "storage.objects.create", to_bucket.get()));
  if (!to_bucket) return base::NotFound("The specified bucket does not exist: " + call.route.to_bucket);
  SEAMOUNT_TRY_ASSIGN(const auto stored, CopyContent(
                                             service, call, [&] { return FindSource(service, call); }, *to_bucket,
                                             call.route.to_object, patch));
  gcs::ObjectResource resource = ResourceOf(call, *to_bucket, *stored);
  if (call.route.operation == Operation::kCopyObject) return JsonResponse(200, gcs::EncodeObject(resource));
  return JsonResponse(200, gcs::EncodeRewrite({.total_bytes_rewritten = stored->size,
                                               .object_size_bytes = stored->size,
                                               .done = true,
                                               .resource = std::move(resource)}));
}

Result<ServerResponse> MoveObject(Service& service, Call& call) {
  SEAMOUNT_TRY(CheckObjectName(call.route.to_object));
  SEAMOUNT_TRY(Require(call, "storage.objects.create", call.bucket.get()));
  if (call.route.to_object == call.route.object) return base::InvalidArgument("an object cannot be moved onto itself");
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  SEAMOUNT_TRY_ASSIGN(const auto source, FindSource(service, call));
  ObjectRow row = *source;
  row.name = call.route.to_object;
  row.metageneration = 1;
  SEAMOUNT_TRY_ASSIGN(const PutOutcome outcome,
                      service.catalog.PutObject(*call.bucket, std::move(row),
                                                {.preconditions = preconditions,
                                                 .may_overwrite = Has(call, "storage.objects.delete", *call.bucket),
                                                 .move_from = call.route.object}));
  if (!outcome.freed_blob.empty()) service.blobs.Remove(outcome.freed_blob);
  return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *outcome.row)));
}

}  // namespace seamount::server
