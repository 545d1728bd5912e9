// Reading objects: metadata, content (whole or a range, by JSON or XML paths), listings.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "base/encoding.h"
#include "base/time_text.h"
#include "server/handlers.h"
#include "server/list_json.h"
#include "server/objects.h"

namespace seamount::server {
namespace {

// Between reading an object's row and opening its blob, an overwrite may remove the blob. Looking again finds the new
// row, and others may be faster again and again. The same row without its content, for this many milliseconds, is loss.
constexpr int kSameLooks = 20;
constexpr int kMaxLooks = 1000;

// Metadata can hold what a header cannot; such entries are only in the JSON.
bool FitsHeader(const std::string& name, const std::string& value) {
  const auto printable = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; };
  const auto token = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-_.").find(c) != std::string_view::npos;
  };
  constexpr size_t kLongest = 8000;  // with its name, the shortest line that some clients refuse is 8,191 bytes long
  return name.size() + value.size() <= kLongest && std::all_of(name.begin(), name.end(), token) &&
         std::all_of(value.begin(), value.end(), printable);
}

void AddContentHeaders(const Call& call, const ObjectRow& row, net::Headers& headers) {
  if (!row.content_type.empty()) headers.Add("Content-Type", row.content_type);
  static constexpr std::array<std::pair<const char*, const char*>, 4> kFields = {{
      {"cacheControl", "Cache-Control"},
      {"contentDisposition", "Content-Disposition"},
      {"contentEncoding", "Content-Encoding"},
      {"contentLanguage", "Content-Language"},
  }};
  for (const auto& [field, header] : kFields)
    if (const auto found = row.fields.find(field); found != row.fields.end()) headers.Add(header, found->second);
  const auto encoding = row.fields.find("contentEncoding");
  headers.Add("x-goog-stored-content-encoding", encoding == row.fields.end() ? "identity" : encoding->second);
  headers.Add("x-goog-stored-content-length", std::to_string(row.size));
  headers.Add("x-goog-generation", std::to_string(row.generation));
  headers.Add("x-goog-metageneration", std::to_string(row.metageneration));
  const auto storage_class = row.fields.find("storageClass");
  headers.Add("x-goog-storage-class", storage_class == row.fields.end() ? "STANDARD" : storage_class->second);
  if (row.crc32c)
    headers.Add("x-goog-hash",
                "crc32c=" + base::Crc32cToBase64(*row.crc32c) + (row.md5.empty() ? "" : ",md5=" + row.md5));
  // The JSON API's is the resource's etag as it is, without quotes: Google's libraries compare the two.
  headers.Add("ETag", call.route.xml() ? "\"" + EtagOf(row) + "\"" : EtagOf(row));
  headers.Add("Last-Modified", base::HttpDate(base::SystemTime(std::chrono::microseconds(row.updated))));
  headers.Add("Accept-Ranges", "bytes");
  // Python's HTTP client takes 100 headers, of which a proxy in between wants some.
  constexpr int kMostMetadataHeaders = 64;
  int count = 0;
  for (const auto& [name, value] : row.metadata)
    if (FitsHeader(name, value) && ++count <= kMostMetadataHeaders) headers.Add("x-goog-meta-" + name, value);
}

Result<ServerResponse> ContentResponse(const Call& call, const ObjectRow& row, Content content) {
  ServerResponse response;
  Span span{0, row.size};
  // A range of another version than the client has is of no use to it: it gets this one whole.
  const auto if_range = call.request.headers.Get("if-range");
  const bool ranges = !if_range || *if_range == EtagOf(row) || *if_range == "\"" + EtagOf(row) + "\"";
  if (const auto header = call.request.headers.Get("range"); header && ranges) {
    if (const auto asked = ResolveRange(*header, row.size)) {
      if (asked->length == 0) {
        ServerResponse refused =
            Refusal(call, 416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.");
        refused.headers.Add("Content-Range", "bytes */" + std::to_string(row.size));
        return refused;
      }
      span = *asked;
      response.status = 206;
      response.headers.Add("Content-Range", "bytes " + std::to_string(span.offset) + "-" +
                                                std::to_string(span.offset + span.length - 1) + "/" +
                                                std::to_string(row.size));
    }
  }
  AddContentHeaders(call, row, response.headers);
  if (!content.next) {
    response.body = content.small.Slice(span.offset, span.length);
    return response;
  }
  const uint64_t begin = span.offset;
  const uint64_t end = span.offset + span.length;
  // What comes first is checked before the head is sent: who asks for a damaged object is told so.
  if (begin < end && call.request.method != "HEAD") SEAMOUNT_TRY(content.next(begin, end));
  response.file = {span.length, [next = std::move(content.next), begin, end](uint64_t position) {
                     return next(begin + position, end);
                   }};
  return response;
}

// What If-Modified-Since and If-Unmodified-Since say (RFC 9110 13.1.3, 13.1.4): a date that cannot be read says
// nothing.
Verdict EvaluateDates(const net::Headers& headers, const ObjectRow& row) {
  const auto date = [&](const char* name) {
    const auto text = headers.Get(name);
    return text ? base::ParseHttpDate(*text) : std::nullopt;
  };
  const auto modified =
      std::chrono::floor<std::chrono::seconds>(base::SystemTime(std::chrono::microseconds(row.updated)));
  const auto unless = headers.Get("if-match") ? std::nullopt : date("if-unmodified-since");
  if (unless && modified > *unless) return Verdict::kFailed;
  const auto since = headers.Get("if-none-match") ? std::nullopt : date("if-modified-since");
  return since && modified <= *since ? Verdict::kNotModified : Verdict::kHolds;
}

// The row that this call may see; null: it is as the client has it (304).
Result<std::shared_ptr<const ObjectRow>> LookUp(Call& call) {
  SEAMOUNT_TRY_ASSIGN(auto row, call.backend->Find(call.route.object));
  SEAMOUNT_TRY_ASSIGN(const auto generation, UintQuery(call.target, "generation"));
  SEAMOUNT_TRY_ASSIGN(const auto preconditions, ParsePreconditions(call.target, call.request.headers));
  const Error failed = base::PreconditionFailed("At least one of the pre-conditions you specified did not hold.");
  if (!row || (generation && *generation != row->generation)) {
    // A generation asked for by precondition on an object that is gone is a failed precondition, as in Google's.
    if (!row && preconditions.generation_match.value_or(0) != 0) return failed;
    return NoSuchObject(call.route.bucket, call.route.object);
  }
  Verdict verdict = Evaluate(preconditions, row.get());
  if (verdict == Verdict::kHolds) verdict = EvaluateDates(call.request.headers, *row);
  if (verdict == Verdict::kFailed) return failed;
  return verdict == Verdict::kHolds ? row : nullptr;
}

Result<ServerResponse> GetContent(Call& call) {
  std::optional<decltype(ObjectRow::generation)> before;
  for (int look = 0, same = 0; look < kMaxLooks; ++look) {
    SEAMOUNT_TRY_ASSIGN(const auto row, LookUp(call));
    if (!row) return ServerResponse{.status = 304};
    SEAMOUNT_TRY_ASSIGN(auto content, call.backend->Open(*row));
    if (content) return ContentResponse(call, *row, std::move(*content));
    same = before == row->generation ? same + 1 : 0;
    before = row->generation;
    if (same == kSameLooks) {
      return ContentIsMissing(call.route.object);
    }
    if (same > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return base::Unavailable("object '" + call.route.object + "' changes too often: try again");
}

}  // namespace

Result<ServerResponse> GetObject(Service&, Call& call) {
  if (call.target.Query("alt") == "media") return GetContent(call);
  SEAMOUNT_TRY_ASSIGN(const auto row, LookUp(call));
  if (!row) return ServerResponse{.status = 304};
  return JsonResponse(200, gcs::EncodeObject(ResourceOf(call, *call.bucket, *row)));
}

Result<ServerResponse> XmlGetObject(Service&, Call& call) { return GetContent(call); }

Result<ServerResponse> ListObjects(Service&, Call& call) {
  const auto text = [&](std::string_view name) { return std::string(call.target.Query(name).value_or("")); };
  ListQuery query{.prefix = text("prefix"),
                  .delimiter = text("delimiter"),
                  .start_offset = text("startOffset"),
                  .end_offset = text("endOffset"),
                  .include_trailing_delimiter = net::EqualNames(text("includeTrailingDelimiter"), "true"),
                  .page_token = text("pageToken")};
  SEAMOUNT_TRY_ASSIGN(const auto max_results, UintQuery(call.target, "maxResults"));
  constexpr uint64_t kMaxResults = 1000;  // as Google's
  query.max_results = static_cast<int>(std::clamp<uint64_t>(max_results.value_or(kMaxResults), 1, kMaxResults));
  SEAMOUNT_TRY_ASSIGN(const Listing listing, call.backend->List(query));
  const ListFields fields = ListFields::Parse(text("fields"));
  return JsonResponse(200, ListJson(listing, fields, call.bucket->name, call.base_url));
}

}  // namespace seamount::server
