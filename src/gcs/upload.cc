#include "gcs/upload.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include "base/checksum.h"
#include "base/encoding.h"
#include "gcs/errors.h"
#include "gcs/resource.h"
#include "gcs/wire.h"

namespace seamount::gcs {
namespace {

using base::ErrorCode;

// Part of the source held in memory while its checksum is made.
constexpr size_t kChecksumPartBytes = 1 << 20;

Result<uint32_t> ChecksumOf(const store::ByteSource& source, const CallContext& context) {
  Buffer part(std::min<uint64_t>(source.size(), kChecksumPartBytes));
  uint32_t crc32c = 0;
  for (uint64_t at = 0; at < source.size();) {
    SEAMOUNT_TRY(store::CheckContext(context));
    const auto piece = part.span().first(std::min<uint64_t>(part.size(), source.size() - at));
    SEAMOUNT_TRY(source.ReadAt(at, piece));
    crc32c = base::Crc32c(piece, crc32c);
    at += piece.size();
  }
  return crc32c;
}

std::string MetadataJson(const std::string& key, const store::WriteOptions& options, uint32_t crc32c) {
  ObjectPatch patch = PatchOf(options);
  patch.name = key;
  patch.crc32c = crc32c;
  return EncodePatch(patch);
}

net::QueryParameters Query(const std::string& type, const std::string& key, const store::WriteOptions& options) {
  net::QueryParameters query = {{"uploadType", type}, {"name", key}};
  if (options.if_generation)
    query.emplace_back("ifGenerationMatch",
                       *options.if_generation == store::kAbsent ? "0" : options.if_generation->text());
  return query;
}

std::string UploadPath(const ServiceClient& client) {
  return "/upload/storage/v1/b/" + base::PercentEncode(client.bucket()) + "/o";
}

// One upload of one object, in either way.
class ObjectUpload {
 public:
  ObjectUpload(const ServiceClient& client, const std::string& key, const store::ByteSource& source,
               const store::WriteOptions& options, const UploadOptions& upload, uint32_t crc32c)
      : client_(client),
        key_(key),
        source_(source),
        options_(options),
        upload_(upload),
        crc32c_(crc32c),
        what_("writing " + client.Name(key)) {}

  Result<store::ObjectInfo> Multipart(const CallContext& context) {
    const std::string boundary = Boundary();
    const std::string head = "--" + boundary + "\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n" +
                             MetadataJson(key_, options_, crc32c_) + "\r\n--" + boundary +
                             "\r\nContent-Type: " + options_.content_type + "\r\n\r\n";
    const std::string tail = "\r\n--" + boundary + "--\r\n";
    net::HttpRequest request{.method = "POST",
                             .url = client_.UrlOf(UploadPath(client_), Query("multipart", key_, options_))};
    request.headers.Add("Content-Type", "multipart/related; boundary=" + boundary);
    AddMd5Header(request);
    request.body = net::RequestBody{
        .size = head.size() + source_.size() + tail.size(),
        .read_at = [&](uint64_t offset, std::span<std::byte> into) { return ReadFramed(head, tail, offset, into); }};
    SEAMOUNT_TRY_ASSIGN(const auto response, Send(std::move(request), context));
    if (response.status != 200) return client_.ErrorOf(response, what_);
    return Accept(response);
  }

  Result<store::ObjectInfo> Resumable(const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(const std::string session, StartSession(context));
    auto made = SendAll(session, context);
    if (!made && !session_gone_) CancelSession(session);
    return made;
  }

 private:
  Result<store::ObjectInfo> SendAll(const std::string& session, const CallContext& context) {
    store::Backoff backoff(upload_.backoff);
    base::Clock& clock = client_.clock();
    uint64_t sent = 0;
    uint64_t furthest = 0;                         // the most that the server has held
    bool in_doubt = false;                         // how much it holds has to be asked
    auto failing_since = base::SteadyTime::max();  // without getting any further; max: not failing
    for (;;) {
      const auto response = in_doubt ? AskStatus(session, context) : SendChunk(session, sent, context);
      if (!Failed(response)) {
        if (!response) return response.error();
        if (response->status == 200 || response->status == 201) return Accept(*response);
        if (response->status != 308) return SessionError(*response);
        SEAMOUNT_TRY_ASSIGN(const uint64_t held, HeldBytes(*response));
        const bool asked = std::exchange(in_doubt, false);
        sent = held;
        if (held > furthest) {
          furthest = held;
          failing_since = base::SteadyTime::max();
          backoff.Reset();
          continue;
        }
        if (asked) continue;
        // A chunk was taken, and nothing was kept of it: as good as a failure.
      } else {
        in_doubt = true;
      }
      const base::SteadyTime now = clock.Now();
      failing_since = std::min(failing_since, now);
      const base::Duration left = std::min(context.deadline - now, upload_.patience - (now - failing_since));
      if (left <= base::Duration(0)) return GiveUp(response);
      const base::Duration wait = std::min(backoff.Next(), left);
      if (!clock.SleepFor(wait, context.stop)) return base::Cancelled(what_ + ": stop was requested");
    }
  }

  // So that the server need not keep for days what will never be whole. Nobody waits for it long: whoever gives up may
  // have been told to stop. (A session that has become an object is not there any more to be cancelled.)
  void CancelSession(const std::string& session) const {
    constexpr auto kPatience = std::chrono::seconds(1);
    const CallContext context{.deadline = std::chrono::steady_clock::now() + kPatience};
    (void)client_.Send({.method = "DELETE", .url = session}, context);
  }

  static std::string Boundary() {
    std::random_device random;
    std::string boundary = "seamount";
    for (int i = 0; i < 4; ++i) boundary += std::to_string(random());
    return boundary;
  }

  void AddMd5Header(net::HttpRequest& request) const {
    if (options_.is_part) request.headers.Add(kMd5Header, kNoMd5);
  }

  // Reads from head + source + tail as if they were one.
  Result<void> ReadFramed(std::string_view head, std::string_view tail, uint64_t offset,
                          std::span<std::byte> into) const {
    const auto take_text = [&](std::string_view text, uint64_t start) {
      if (into.empty() || offset < start || offset >= start + text.size()) return;
      const size_t from = offset - start;
      const size_t n = std::min(into.size(), text.size() - from);
      std::memcpy(into.data(), text.data() + from, n);
      into = into.subspan(n);
      offset += n;
    };
    take_text(head, 0);
    const uint64_t source_end = head.size() + source_.size();
    if (!into.empty() && offset < source_end) {
      const auto piece = into.first(std::min<uint64_t>(into.size(), source_end - offset));
      SEAMOUNT_TRY(source_.ReadAt(offset - head.size(), piece));
      into = into.subspan(piece.size());
      offset += piece.size();
    }
    take_text(tail, source_end);
    return {};
  }

  Result<net::HttpResponse> Send(net::HttpRequest request, const CallContext& context) const {
    auto response = client_.Send(std::move(request), context);
    if (!response) return response.error().Wrap(what_);
    return response;
  }

  Result<std::string> StartSession(const CallContext& context) const {
    const std::string json = MetadataJson(key_, options_, crc32c_);
    net::HttpRequest request{.method = "POST",
                             .url = client_.UrlOf(UploadPath(client_), Query("resumable", key_, options_))};
    request.headers.Add("Content-Type", "application/json; charset=UTF-8");
    request.headers.Add("X-Upload-Content-Type", options_.content_type);
    request.headers.Add("X-Upload-Content-Length", std::to_string(source_.size()));
    AddMd5Header(request);
    const BytesBody body(json);
    request.body = body.AsRequestBody();
    SEAMOUNT_TRY_ASSIGN(const auto response, Send(std::move(request), context));
    if (response.status != 200 && response.status != 201) return client_.ErrorOf(response, what_);
    const auto location = response.headers.Get("Location");
    if (!location) return base::Internal(what_ + ": the server started an upload without saying where");
    return std::string(*location);
  }

  Result<net::HttpResponse> SendChunk(const std::string& session, uint64_t from, const CallContext& context) const {
    const uint64_t length = std::min(upload_.chunk_bytes, source_.size() - from);
    if (length == 0) return AskStatus(session, context);  // all is there: the answer is the object
    net::HttpRequest request{.method = "PUT", .url = session};
    request.headers.Add("Content-Range",
                        FormatContentRange({.span = {{from, from + length - 1}}, .total = source_.size()}));
    request.body = net::RequestBody{.size = length, .read_at = [this, from](uint64_t at, std::span<std::byte> into) {
                                      return source_.ReadAt(from + at, into);
                                    }};
    return Send(std::move(request), context);
  }

  Result<net::HttpResponse> AskStatus(const std::string& session, const CallContext& context) const {
    net::HttpRequest request{.method = "PUT", .url = session};
    request.headers.Add("Content-Range", FormatContentRange({.span = {}, .total = source_.size()}));
    request.body =
        net::RequestBody{.size = 0, .read_at = [](uint64_t, std::span<std::byte>) { return Result<void>(); }};
    return Send(std::move(request), context);
  }

  static bool Failed(const Result<net::HttpResponse>& response) {
    if (!response) return response.error().code() == ErrorCode::kUnavailable;
    return response->status >= 400 && CodeOfStatus(response->status, "") == ErrorCode::kUnavailable;
  }

  Error GiveUp(const Result<net::HttpResponse>& response) const {
    if (!response) return response.error();
    if (response->status == 308) return base::Unavailable(what_ + ": the server keeps nothing of what it is sent");
    return client_.ErrorOf(*response, what_);
  }

  // A session that is gone took what it held with it: the write as a whole may be tried again.
  Error SessionError(const net::HttpResponse& response) {
    const bool gone = response.status == 404 || response.status == 410 || response.status == 499;
    if (gone && !SaysBucketIsAbsent(response)) {
      session_gone_ = true;
      return base::Unavailable(what_ + ": the server has forgotten the upload");
    }
    return client_.ErrorOf(response, what_);
  }

  // "Range: bytes=0-N" of a 308 means N + 1 bytes; none, that nothing is held.
  Result<uint64_t> HeldBytes(const net::HttpResponse& response) const {
    const auto range = response.headers.Get("Range");
    if (!range) return uint64_t{0};
    constexpr std::string_view kStart = "bytes=0-";
    const auto last = range->starts_with(kStart) ? ParseUint(range->substr(kStart.size())) : std::nullopt;
    if (!last || *last >= source_.size()) {
      return base::Internal(what_ + ": the server holds a range that was never sent");
    }
    return *last + 1;
  }

  Result<store::ObjectInfo> Accept(const net::HttpResponse& response) const {
    auto object = DecodeObject(response.body.view());
    if (!object) return base::Internal(what_ + ": unexpected answer: " + object.error().message());
    if (object->info.size_bytes != source_.size() || object->info.crc32c.value_or(crc32c_) != crc32c_) {
      return base::DataLoss(what_ + ": the server stored other bytes than were sent (size or CRC32C differs)");
    }
    object->info.crc32c = crc32c_;
    return InfoOf(*std::move(object));
  }

  // Text as a request body; the text outlives it.
  class BytesBody {
   public:
    explicit BytesBody(std::string_view text) : source_(text) {}
    net::RequestBody AsRequestBody() const {
      return {.size = source_.size(),
              .read_at = [this](uint64_t at, std::span<std::byte> into) { return source_.ReadAt(at, into); }};
    }

   private:
    store::BytesSource source_;
  };

  const ServiceClient& client_;
  const std::string& key_;
  const store::ByteSource& source_;
  const store::WriteOptions& options_;
  const UploadOptions& upload_;
  const uint32_t crc32c_;
  const std::string what_;
  bool session_gone_ = false;
};

}  // namespace

Result<store::ObjectInfo> Upload(const ServiceClient& client, const std::string& key, const store::ByteSource& source,
                                 const store::WriteOptions& options, const UploadOptions& upload,
                                 const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const uint32_t crc32c, ChecksumOf(source, context));
  ObjectUpload object(client, key, source, options, upload, crc32c);
  return source.size() < upload.resumable_from_bytes ? object.Multipart(context) : object.Resumable(context);
}

}  // namespace seamount::gcs
