// The wire format of the GCS JSON API, v1: what our client and our server both write and read. JSON itself (nlohmann)
// stays in wire.cc. Decoders take untrusted text: malformed input is InvalidArgument that names the field, never a
// crash. (A client turns that into Internal: a server that breaks its protocol is no fault of the caller.)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace seamount::gcs {

// An object resource (https://cloud.google.com/storage/docs/json_api/v1/objects): what a store tells of an object, and
// what only the wire carries.
struct ObjectResource {
  store::ObjectInfo info;
  std::string bucket;
  uint64_t metageneration = 1;
  base::SystemTime created;
  std::string md5_base64;  // empty: none, as composed objects have it
  std::string etag;
  std::string self_link;   // empty: left out
  std::string media_link;  // empty: left out
  // cacheControl, contentEncoding, contentDisposition, contentLanguage, customTime, storageClass: those that are set.
  std::map<std::string, std::string> other;
};

std::string EncodeObject(const ObjectResource& object);
Result<ObjectResource> DecodeObject(std::string_view json);

// What a client may say about an object it writes: the body of an upload's start, of a rewrite, of a patch. Null, which
// in a patch means to remove what is there, is kept apart from a field left out: it is a value without text.
struct ObjectPatch {
  std::string name;                         // empty: not given in the body
  std::optional<std::string> content_type;  // empty for null
  std::optional<std::map<std::string, std::optional<std::string>>> metadata;
  bool clears_metadata = false;  // "metadata": null
  std::optional<uint32_t> crc32c;
  std::optional<std::string> md5_base64;
  std::map<std::string, std::optional<std::string>> other;  // as in ObjectResource
};

std::string EncodePatch(const ObjectPatch& patch);
Result<ObjectPatch> DecodePatch(std::string_view json);

struct ObjectList {
  std::vector<ObjectResource> objects;
  std::vector<std::string> prefixes;
  std::string next_page_token;  // empty: the last page
};

std::string EncodeList(const ObjectList& list);
Result<ObjectList> DecodeList(std::string_view json);

struct ComposeRequest {
  std::vector<store::ComposeSource> sources;
  ObjectPatch destination;
};

std::string EncodeCompose(const ComposeRequest& request);
Result<ComposeRequest> DecodeCompose(std::string_view json);

struct RewriteStatus {
  uint64_t total_bytes_rewritten = 0;
  uint64_t object_size_bytes = 0;
  bool done = false;
  std::string rewrite_token;               // when not done
  std::optional<ObjectResource> resource;  // when done
};

std::string EncodeRewrite(const RewriteStatus& status);
Result<RewriteStatus> DecodeRewrite(std::string_view json);

// {"error": {"code": 404, "message": …, "errors": [{"domain": "global", "reason": "notFound", "message": …}]}}
struct WireError {
  int status = 0;
  std::string reason;  // "notFound", "conditionNotMet", "authError", "forbidden", "required", "invalid", …
  std::string message;
};

std::string EncodeError(const WireError& error);
// Of any body: text that is no such JSON gives its first line, shortened, as the message.
WireError DecodeError(int status, std::string_view body);

// RFC 3339 in UTC with microseconds, as GCS writes it: "2026-01-31T12:00:00.123456Z".
std::string FormatTime(base::SystemTime time);
// Takes any fraction and offset RFC 3339 allows; InvalidArgument otherwise.
Result<base::SystemTime> ParseTime(std::string_view text);

// "bytes 0-99/1000", "bytes */1000", "bytes 0-99/*": a Content-Range. No first and last: "*".
struct ContentRange {
  struct Span {
    uint64_t first = 0;
    uint64_t last = 0;  // inclusive
  };
  std::optional<Span> span;
  std::optional<uint64_t> total;
};

std::string FormatContentRange(const ContentRange& range);
Result<ContentRange> ParseContentRange(std::string_view text);

// A header of ours, "X-Seamount-Md5: none": the writer needs no MD5 of the object. Servers that do not know it pass it
// over.
inline constexpr char kMd5Header[] = "X-Seamount-Md5";
inline constexpr char kNoMd5[] = "none";

// A generation on this wire is a positive integer of 64 bits; kAbsent is zero.
store::Generation GenerationOf(uint64_t number);
// Nothing for what no server of this API has given.
std::optional<uint64_t> NumberOf(const store::Generation& generation);

// Decimal digits only, within 64 bits.
std::optional<uint64_t> ParseUint(std::string_view text);

// "crc32c=AAAAAA==,md5=…" (x-goog-hash, possibly many values joined by commas): its CRC32C, if it has one.
std::optional<uint32_t> Crc32cOfHashHeader(std::string_view value);

// "/storage/v1/b/BUCKET/o/OBJECT", both percent-encoded.
std::string ObjectPath(std::string_view bucket, std::string_view key);

}  // namespace seamount::gcs
