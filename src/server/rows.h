// What the catalog's rows say: buckets, objects, upload sessions, service accounts and keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/iam.h"

namespace seamount::server {

// Microseconds since 1970, as rows keep time.
using Micros = int64_t;

struct BucketRow {
  int64_t id = 0;
  std::string name;
  std::string project;
  std::string location;
  std::string storage_class;
  uint64_t metageneration = 1;
  Micros created = 0;
  Micros updated = 0;
  Policy policy;
  std::map<std::string, std::string> labels;
  bool is_share = false;  // a folder of this machine: its objects are not the catalog's
};

// A whole blob as a part of a content.
struct Extent {
  std::string blob;
  uint64_t size = 0;
};
// "ID", or "ID:SIZE,ID:SIZE" of several.
std::string ContentToText(const std::vector<Extent>& content);
Result<std::vector<Extent>> ContentFromText(std::string_view text, uint64_t size);

struct ObjectRow {
  std::string name;
  uint64_t generation = 0;
  uint64_t metageneration = 1;
  uint64_t size = 0;
  std::optional<uint32_t> crc32c;  // always, of a stored object
  std::string md5;                 // base64; empty for composed objects
  std::string content_type;
  std::map<std::string, std::string> fields;    // cacheControl, contentEncoding, customTime …: the fixed-key metadata
  std::map<std::string, std::string> metadata;  // the user's
  int component_count = 0;                      // of composed objects
  Micros created = 0;
  Micros updated = 0;
  std::vector<Extent> content;  // one after the other; empty for an object without bytes
};

// Changes with generation and metageneration; without quotes.
std::string EtagOf(const ObjectRow& row);

struct UploadRow {
  std::string id;
  int64_t bucket = 0;  // by id, as the account: one made anew under an old name goes on with nothing
  ObjectRow object;    // what the session began with: name, content type, metadata
  // What the finished object must fulfil, by their names in the API: ifGenerationMatch …, crc32c, md5Hash; and
  // gcs::kMd5Header where it gets no MD5.
  std::map<std::string, std::string> conditions;
  std::string account;    // the unique id of who began it; empty: anybody
  bool in_parts = false;  // by the XML API: its content is in parts, not in a file
  std::optional<uint64_t> expected_size;
  uint64_t persisted = 0;  // bytes acknowledged, and durable
  uint64_t finished = 0;   // the generation it became: kept, so that a client that missed the answer can ask again
  Micros created = 0;
};

// One part of an upload in parts.
struct PartRow {
  uint32_t number = 0;
  uint64_t size = 0;
  uint32_t crc32c = 0;
  std::string md5;  // base64
  std::string blob;
  std::string small;  // as BlobInfo's; when it is put
};
constexpr uint32_t kMaxPartNumber = 10'000;  // as Google's

struct KeyRow {
  std::string id;
  std::string public_key_pem;
  std::string token_uri;
  Micros created = 0;
};

struct AccountRow {
  std::string email;
  std::string project;
  std::string unique_id;
  std::string display_name;
  bool disabled = false;
  bool is_admin = false;
  Micros created = 0;
  std::map<std::string, KeyRow> keys;
};

// A page of a bucket's objects.
struct ListQuery {
  std::string prefix;
  std::string delimiter;
  std::string start_offset;
  std::string end_offset;
  bool include_trailing_delimiter = false;
  int max_results = 1000;
  std::string page_token;
};
struct Listing {
  std::vector<ObjectRow> objects;
  std::vector<std::string> prefixes;
  std::string next_page_token;
};

}  // namespace seamount::server
