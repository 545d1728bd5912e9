// Resumable uploads (https://cloud.google.com/storage/docs/performing-resumable-uploads). A session is a row and a file
// that grows; what a 308 acknowledges is fsynced and in the row, so it is there after a crash. When all has come, the
// file itself becomes the blob: nothing is copied, and the session's name for it goes only when the object's row is
// there, so that a crash in between loses neither. A session that ended is remembered, so that a client that missed the
// answer is told what became of it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>
#include <utility>

#include "base/encoding.h"
#include "base/log.h"
#include "server/handlers.h"
#include "server/objects.h"

namespace seamount::server {
namespace {

// Upload sessions end after a week, as Google's do.
constexpr Micros kSessionLifetime = Micros{7} * 24 * 3600 * 1'000'000;
// On a full disk those end earlier that nobody has added to for so long.
constexpr int64_t kIdleSeconds = 3600;

constexpr std::array<const char*, 4> kConditionNames = {"ifGenerationMatch", "ifGenerationNotMatch",
                                                        "ifMetagenerationMatch", "ifMetagenerationNotMatch"};

Preconditions PreconditionsOf(const UploadRow& upload) {
  const auto value = [&](const char* name) {
    const auto found = upload.conditions.find(name);
    return found == upload.conditions.end() ? std::nullopt : gcs::ParseUint(found->second);
  };
  const auto text = [&](const char* name) {
    const auto found = upload.conditions.find(name);
    return found == upload.conditions.end() ? std::string() : found->second;
  };
  return {value(kConditionNames[0]), value(kConditionNames[1]), value(kConditionNames[2]),
          value(kConditionNames[3]), text("ifMatch"),           text("ifNoneMatch")};
}

ExpectedHashes HashesOfUpload(const UploadRow& upload, const net::Headers& headers) {
  gcs::ObjectPatch patch;
  if (const auto found = upload.conditions.find("crc32c"); found != upload.conditions.end()) {
    if (auto crc32c = base::Crc32cFromBase64(found->second)) patch.crc32c = *crc32c;
  }
  if (const auto found = upload.conditions.find("md5Hash"); found != upload.conditions.end())
    patch.md5_base64 = found->second;
  return HashesOf(headers, patch);
}

// Google's Go library asks for another status than 308, which Go's HTTP client takes for a redirect.
ServerResponse Incomplete(const Call& call, uint64_t persisted) {
  ServerResponse response{.status = 308};
  if (call.request.headers.Get("x-guploader-no-308") == "yes") {
    response.status = 200;
    response.headers.Add("X-Http-Status-Code-Override", "308");
  }
  if (persisted > 0) response.headers.Add("Range", "bytes=0-" + std::to_string(persisted - 1));
  return response;
}

Error NoSuchSession() { return base::NotFound("no such upload session: begin the upload again"); }

// Brings the file and the hash to exactly what was acknowledged: after a restart, or after a request that broke off.
Result<void> MakeReady(Service& service, const UploadRow& upload, LiveUpload& live) {
  SEAMOUNT_TRY_ASSIGN(live.file, service.blobs.OpenUpload(upload.id, false));
  struct stat info {};
  if (::fstat(live.file.get(), &info) != 0) return FromErrno("looking at an upload's file", errno);
  // Its publication failed in a way that leaves open whether an object has the file now: it must not be touched.
  if (info.st_nlink > 1) return NoSuchSession();
  if (live.ready && live.size == upload.persisted) return {};
  live.ready = false;
  if (::ftruncate(live.file.get(), static_cast<off_t>(upload.persisted)) != 0)
    return FromErrno("truncating an upload's file", errno);
  live.hash = ContentHash(!upload.conditions.contains(gcs::kMd5Header));
  Buffer buffer(1 << 20);
  for (live.size = 0; live.size < upload.persisted;) {
    const size_t want = std::min<uint64_t>(buffer.size(), upload.persisted - live.size);
    const ssize_t got = ::pread(live.file.get(), buffer.data(), want, static_cast<off_t>(live.size));
    if (got <= 0) return base::DataLoss("an upload's file is shorter than what was acknowledged");
    live.hash.Add(buffer.span().first(static_cast<size_t>(got)));
    live.size += static_cast<uint64_t>(got);
  }
  live.ready = true;
  return {};
}

// Adds the body, without its first `skip` bytes, to the file. Fails with what stopped it; what was added stays added.
Result<void> AppendBody(Service& service, ServerRequest& request, uint64_t skip, LiveUpload& live) {
  Buffer buffer(256 << 10);
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const size_t got, request.read_body(buffer.span()));
    if (got == 0) return {};
    const size_t dropped = std::min<uint64_t>(skip, got);
    skip -= dropped;
    const auto data = std::span<const std::byte>(buffer.span()).subspan(dropped, got - dropped);
    if (auto written = service.blobs.Write(live.file.get(), data); !written) {
      live.ready = false;  // how much of `data` is in the file is unknown
      return written;
    }
    live.hash.Add(data);
    live.size += data.size();
  }
}

// What a full disk stopped takes no room that was not acknowledged. Best effort: the next request does the same.
void CutBack(const UploadRow& upload, LiveUpload& live) {
  live.ready = false;
  (void)!::ftruncate(live.file.get(), static_cast<off_t>(upload.persisted));
}

Result<void> Persist(Service& service, const UploadRow& upload, LiveUpload& live) {
  if (live.size == upload.persisted) return {};
  if (::fdatasync(live.file.get()) != 0) {
    const int error = errno;
    CutBack(upload, live);
    return FromErrno("fsync of an upload's file", error);
  }
  auto persisted = service.catalog.SetUploadPersisted(upload.id, live.size);
  if (!persisted && persisted.error().code() == ErrorCode::kResourceExhausted) CutBack(upload, live);
  return persisted;
}

Result<void> EndSession(Service& service, const std::string& id) {
  SEAMOUNT_TRY(service.catalog.DeleteUpload(id));
  service.uploads.Drop(id);
  return {};
}

// Whether the same bytes would be refused again. What a full disk stopped can be finished later.
bool IsFinal(ErrorCode code) {
  return code == ErrorCode::kInvalidArgument || code == ErrorCode::kPreconditionFailed ||
         code == ErrorCode::kPermissionDenied || code == ErrorCode::kNotFound;
}

Result<ServerResponse> Complete(Service& service, Call& call, const UploadRow& upload, LiveUpload& live) {
  BlobInfo blob{{}, live.size, live.hash.crc32c(), live.hash.FinishMd5(), {}};
  live.ready = false;
  const auto publish = [&]() -> Result<std::shared_ptr<const ObjectRow>> {
    if (upload.expected_size && *upload.expected_size != blob.size)
      return base::InvalidArgument("the upload is " + std::to_string(blob.size) + " bytes long, but " +
                                   std::to_string(*upload.expected_size) + " were announced");
    SEAMOUNT_TRY(CheckHashes(HashesOfUpload(upload, call.request.headers), blob));
    SEAMOUNT_TRY_ASSIGN(blob.id, service.blobs.UploadToBlob(upload.id, live.file.get(), live.hash.sums()));
    return PublishBlob(call, upload.object, blob, PreconditionsOf(upload), upload.id);
  };
  auto stored = publish();
  if (!stored) {
    if (IsFinal(stored.error().code())) (void)EndSession(service, upload.id);  // else it ends in a week
    if (stored.error().code() == ErrorCode::kResourceExhausted) CutBack(upload, live);
    return std::move(stored).error();
  }
  service.uploads.Drop(upload.id);
  if (!*stored) return NoSuchSession();  // finished by another server's hand: there is none
  return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, **stored)));
}

// A client asks again about a session that has ended.
Result<ServerResponse> AnswerFinished(Call& call, const UploadRow& upload) {
  SEAMOUNT_TRY_ASSIGN(const auto row, call.backend->Find(upload.object.name));
  if (!row || row->generation != upload.finished) return NoSuchSession();
  return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *row)));
}

Result<ServerResponse> TakeBody(Service& service, Call& call, const UploadRow& upload, LiveUpload& live,
                                const std::optional<gcs::ContentRange>& range) {
  const uint64_t first = range ? range->span->first : 0;
  if (first > upload.persisted)
    return Incomplete(call, upload.persisted);  // a gap: the client goes on from what there is
  const uint64_t before = upload.persisted;
  auto appended = AppendBody(service, call.request, before - first, live);
  if (!appended) {
    // What came before the connection broke need not be sent again.
    if (live.ready) SEAMOUNT_TRY(Persist(service, upload, live));
    if (!live.ready) CutBack(upload, live);
    return std::move(appended).error();
  }
  const bool short_of_range = range && live.size < range->span->last + 1;
  if (range && live.size > std::max(before, range->span->last + 1)) {
    live.ready = false;
    return base::InvalidArgument("the request body is longer than its Content-Range says");
  }
  const bool complete = !range || (range->total && live.size == *range->total);
  if (complete && !short_of_range) return Complete(service, call, upload, live);
  SEAMOUNT_TRY(Persist(service, upload, live));
  return Incomplete(call, live.size);
}

Result<ServerResponse> Continue(Service& service, Call& call, const UploadRow& upload, LiveUpload& live,
                                const std::optional<gcs::ContentRange>& range) {
  if (!range || range->span) return TakeBody(service, call, upload, live, range);
  // A status query; one that names the whole size ends an upload that has it all.
  if (range->total && *range->total == upload.persisted) return Complete(service, call, upload, live);
  return Incomplete(call, upload.persisted);
}

bool IsOld(const UploadRow& upload, Micros now) { return upload.created + kSessionLifetime < now; }

}  // namespace

void EndOldSessions(Service& service) {
  const Micros now = service.catalog.Now();
  Micros last = service.sessions_ended;
  constexpr Micros kHour = Micros{3600} * 1'000'000;
  if (now - last < kHour || !service.sessions_ended.compare_exchange_strong(last, now)) return;
  const auto uploads = service.catalog.ListUploads();
  if (!uploads) return;  // the next hour's turn
  for (const UploadRow& upload : *uploads)
    if (IsOld(upload, now)) (void)EndSession(service, upload.id);  // the next hour's turn
}

bool EndIdlestSession(Service& service) {
  const auto uploads = service.catalog.ListUploads();
  if (!uploads) return false;
  const int64_t now = service.catalog.Now() / 1'000'000;
  const UploadRow* idlest = nullptr;
  int64_t since = now - kIdleSeconds;
  for (const UploadRow& upload : *uploads) {
    const auto changed = service.blobs.UploadChanged(upload.id);
    if (upload.finished != 0 || !changed || *changed >= since) continue;
    since = *changed;
    idlest = &upload;
  }
  if (!idlest) return false;
  if (!EndSession(service, idlest->id)) return false;
  base::Log(base::LogLevel::kWarning, "server: the disk is full: ended an upload that nobody has gone on with for " +
                                          std::to_string((now - since) / 60) + " minutes");
  return true;
}

Result<BlobStore::Swept> EndStaleSessions(Catalog& catalog, BlobStore& blobs) {
  SEAMOUNT_TRY_ASSIGN(const auto uploads, catalog.ListUploads());
  std::unordered_map<std::string, BlobStore::Fate> fates;
  for (const UploadRow& upload : uploads) {
    const bool lost = upload.finished == 0 && !upload.in_parts && !blobs.OpenUpload(upload.id, false);
    const bool old = IsOld(upload, catalog.Now());
    if (lost || old) SEAMOUNT_TRY(catalog.DeleteUpload(upload.id));
    const bool goes_on = !lost && !old && upload.finished == 0;
    fates[upload.id] = goes_on ? BlobStore::Fate::kKept : BlobStore::Fate::kEnded;
  }
  SEAMOUNT_TRY_ASSIGN(const auto garbage, catalog.ListGarbage(SIZE_MAX >> 1));
  for (const Catalog::Garbage& item : garbage)
    if (item.is_upload) fates[item.id] = BlobStore::Fate::kEnded;
  return blobs.SweepUploads([&](const std::string& id) {
    const auto found = fates.find(id);
    return found == fates.end() ? BlobStore::Fate::kUnknown : found->second;
  });
}

Result<ServerResponse> StartUpload(Service& service, Call& call) {
  EndOldSessions(service);
  SEAMOUNT_TRY_ASSIGN(const std::string body, ReadBody(call.request));
  SEAMOUNT_TRY_ASSIGN(gcs::ObjectPatch patch, ParseObjectBody(body));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  UploadRow upload{.id = RandomId(), .bucket = call.bucket->id};
  upload.object.name = patch.name.empty() ? std::string(call.target.Query("name").value_or("")) : patch.name;
  SEAMOUNT_TRY(CheckNewObject(call, upload.object.name));
  const net::Headers& headers = call.request.headers;
  if (const auto type = headers.Get("x-upload-content-type"); type && !patch.content_type)
    patch.content_type = std::string(*type);
  SEAMOUNT_TRY(ApplyPatch(patch, upload.object, true));
  const std::array<std::optional<uint64_t>, 4> values = {
      preconditions.generation_match, preconditions.generation_not_match, preconditions.metageneration_match,
      preconditions.metageneration_not_match};
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i]) upload.conditions[kConditionNames[i]] = std::to_string(*values[i]);
  if (!preconditions.etag_match.empty()) upload.conditions["ifMatch"] = preconditions.etag_match;
  if (!preconditions.etag_not_match.empty()) upload.conditions["ifNoneMatch"] = preconditions.etag_not_match;
  const ExpectedHashes hashes = HashesOf(headers, patch);
  if (hashes.crc32c.size() > 1 || hashes.md5.size() > 1)
    return base::InvalidArgument("a checksum is given more than once: give it in the body or in a header");
  if (!hashes.crc32c.empty()) upload.conditions["crc32c"] = base::Crc32cToBase64(hashes.crc32c.front());
  if (!hashes.md5.empty()) upload.conditions["md5Hash"] = hashes.md5.front();
  if (!WantsMd5(headers)) upload.conditions[gcs::kMd5Header] = gcs::kNoMd5;
  if (const auto length = headers.Get("x-upload-content-length")) {
    upload.expected_size = gcs::ParseUint(*length);
    if (!upload.expected_size) return base::InvalidArgument("X-Upload-Content-Length: not a non-negative integer");
  }
  upload.account = call.identity.account;
  upload.created = service.catalog.Now();

  if (upload.expected_size.value_or(0) > service.blobs.FreeBytes())
    return base::ResourceExhausted("object '" + upload.object.name + "': " + std::to_string(*upload.expected_size) +
                                   " bytes are announced, and " + std::to_string(service.blobs.FreeBytes()) +
                                   " are free on the server's disk");
  SEAMOUNT_TRY(service.blobs.OpenUpload(upload.id, true));
  if (auto inserted = service.catalog.InsertUpload(upload); !inserted) {
    service.blobs.RemoveUpload(upload.id);
    return std::move(inserted).error();
  }
  ServerResponse response;
  response.headers.Add("Location", call.base_url + "/upload/storage/v1/b/" + call.bucket->name +
                                       "/o?uploadType=resumable&name=" + base::PercentEncode(upload.object.name) +
                                       "&upload_id=" + upload.id);
  response.headers.Add("X-GUploader-UploadID", upload.id);
  return response;
}

Result<ServerResponse> ResumeUpload(Service& service, Call& call) {
  const std::string id(call.target.Query("upload_id").value_or(""));
  const auto live = service.uploads.Get(id);
  const UploadTurns::Turn turn(live->turns, call.request.interrupt);
  if (!turn.held()) return base::Unavailable("a newer request goes on with this upload session");
  // Read in this turn: another request may just have moved the session on.
  SEAMOUNT_TRY_ASSIGN(const auto upload, service.catalog.FindUpload(id));
  if (!upload) service.uploads.Drop(id);  // whoever waits for `live` finds no session, either
  const bool callers =
      upload && !upload->in_parts && upload->bucket == call.bucket->id && upload->account == call.identity.account;
  if (!callers) return NoSuchSession();
  if (upload->finished != 0) {
    service.uploads.Drop(id);
    return AnswerFinished(call, *upload);
  }
  if (call.request.method == "DELETE") {
    SEAMOUNT_TRY(EndSession(service, id));
    return ServerResponse{.status = 499};  // what Google answers to a cancelled upload
  }
  std::optional<gcs::ContentRange> range;
  if (const auto header = call.request.headers.Get("content-range")) {
    SEAMOUNT_TRY_ASSIGN(range, gcs::ParseContentRange(*header));
  }
  SEAMOUNT_TRY(MakeReady(service, *upload, *live));
  auto response = Continue(service, call, *upload, *live, range);
  live->file.Close();
  return response;
}

}  // namespace seamount::server
