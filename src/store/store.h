// Store: a flat map from keys to immutable objects, as buckets offer it. Everything above speaks this interface;
// drivers (memory, file, gcs) and decorators (retry, cache, listing, prefix, trace) implement it.
//
// Contract, checked for every driver and decorator by store/testing/conformance.h:
// - Calls block, may come from any number of threads, and honour CallContext (Cancelled on stop, Unavailable past the
//   deadline). Parallelism is a thread pool above.
// - Keys are UTF-8, 1..1024 bytes, without NUL, CR or LF, and neither "." nor ".."; '/' means nothing to a store except
//   as List's delimiter. A bad key is InvalidArgument.
// - Absence is a value: Read and Stat return nullopt, Delete returns false. Copy, Compose and Move of an absent source,
//   Patch of an absent object, and anything in a bucket that does not exist, are NotFound.
// - A generation names one content of one key. It is opaque, never kAbsent, and changes with every overwrite.
//   if_generation makes a call conditional; a mismatch is PreconditionFailed (Read/Stat of an absent object included),
//   and nothing was changed (but a cache may still serve a Read at a generation that others have overwritten since: the
//   bytes are that generation's). kAbsent ("must not exist") makes a Write, Copy or Move create only.
// - Attributes (type, headers, metadata) can be changed by Patch without a new generation: whoever reads the content at
//   its generation does not notice.
// - Writes are atomic and strongly consistent: a reader sees the old object or the whole new one, and once a Write has
//   returned, every later Read, Stat and List sees it.
// - A Read of a whole object verifies its CRC32C; a mismatch is DataLoss. Writes send theirs.
// - A call that returned Unavailable may or may not have happened.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/byte_source.h"
#include "store/generation.h"

namespace seamount::store {

// What HTTP says along with the content; empty: nothing. Copy, Move and Patch keep them; Write and Compose
// replace them, so whoever rewrites an object hands them on.
struct ContentHeaders {
  std::string cache_control;
  std::string content_disposition;
  std::string content_encoding;
  std::string content_language;

  bool operator==(const ContentHeaders&) const = default;
};

struct ObjectInfo {
  std::string key;
  uint64_t size_bytes = 0;
  Generation generation;
  std::optional<uint32_t> crc32c;  // of the whole; every driver here fills it in
  base::SystemTime updated;        // when this generation was written; a Patch does not change it
  std::string content_type;
  std::map<std::string, std::string> metadata;  // user metadata, without any x-goog-meta- prefix
  ContentHeaders headers;
};

// Bytes [offset, offset + length) of an object, or its last ones; parts that it does not have are left out of the
// answer. A range that begins at or past the end is not an error: it reads nothing.
struct ByteRange {
  uint64_t offset = 0;
  std::optional<uint64_t> length;  // to the end if absent
  std::optional<uint64_t> suffix;  // the last so many bytes; offset and length are not looked at

  static ByteRange Last(uint64_t bytes) { return {.suffix = bytes}; }
};

struct ByteSpan {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - begin; }
};

// What a range (null: everything) is of an object of this size. It lies within the object.
ByteSpan SpanOf(const std::optional<ByteRange>& range, uint64_t object_bytes);

struct ReadOptions {
  std::optional<ByteRange> range;  // the whole object if absent
  std::optional<Generation> if_generation;
};

struct ReadResult {
  // key, size_bytes (of the whole object) and generation are always set; the rest where known: attributes are to be had
  // from Stat and List.
  ObjectInfo info;
  Bytes data;
};

struct WriteOptions {
  std::optional<Generation> if_generation;
  std::string content_type = "application/octet-stream";
  std::map<std::string, std::string> metadata;
  ContentHeaders headers;
  // Of an object that is only to be a source of a Compose. A server may leave out what costs it time and no store here
  // asks for: its MD5.
  bool is_part = false;
};

struct DeleteOptions {
  std::optional<Generation> if_generation;
};

struct ListOptions {
  std::string prefix;
  std::string delimiter;  // empty: flat. Usually "/": keys beyond it are folded into prefixes
  // An object whose key is a prefix itself ("a/", as tools mark folders) is given as an object too. It comes with its
  // prefix, and a page may hold one more for it than max_results.
  bool include_trailing_delimiter = false;
  std::string start_offset;  // only keys >= start_offset
  std::string end_offset;    // only keys < end_offset, if that is not empty
  std::string page_token;    // from the page before
  int max_results = 1000;    // objects and prefixes together; a page may hold fewer, even none, and not be the last
};

struct ListPage {
  std::vector<ObjectInfo> objects;    // in byte order of keys
  std::vector<std::string> prefixes;  // in byte order; each ends with the delimiter
  std::string next_page_token;        // empty: this was the last page
};

struct CopyOptions {
  std::optional<Generation> if_generation;  // of the destination
  std::optional<Generation> if_source_generation;
  // Replaces user metadata, kept from the source if absent; content type and headers are always kept.
  std::optional<std::map<std::string, std::string>> metadata;
};

struct MoveOptions {
  std::optional<Generation> if_generation;  // of the destination
  std::optional<Generation> if_source_generation;
  // The source as the caller has seen it. Spares a store that retries the look that it needs beforehand, to know its
  // own move from another's.
  std::optional<ObjectInfo> source;
};

// What a Patch changes; what is not named stays.
struct AttributeChanges {
  std::optional<std::string> content_type;
  std::optional<ContentHeaders> headers;
  std::map<std::string, std::optional<std::string>> metadata;  // entries to set, or (null) to remove
};

struct PatchOptions {
  std::optional<Generation> if_generation;
};

struct ComposeSource {
  std::string key;
  std::optional<Generation> if_generation;
};

// Most sources in one Compose, as GCS has it.
inline constexpr size_t kMaxComposeSources = 32;

// What a store can do. Calls that it cannot do are InvalidArgument. May turn false once a server has shown that it
// lacks something, never true again.
struct Capabilities {
  bool copy = true;
  bool compose = true;
  bool move = true;
  bool patch = true;
};

class Store {
 public:
  virtual ~Store() = default;
  virtual Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                                 const CallContext& context) = 0;
  // Absent objects are nullopt.
  virtual Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) = 0;
  virtual Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                                   const CallContext& context) = 0;
  // True when an object was deleted, false when there was none.
  virtual Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) = 0;
  virtual Result<ListPage> List(const ListOptions& options, const CallContext& context) = 0;
  virtual Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                                  const CallContext& context) = 0;
  // Concatenates 1..32 objects of the same store into one, on the server. options.metadata and content_type apply.
  virtual Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                                     const WriteOptions& options, const CallContext& context) = 0;
  // Renames in one step, attributes kept: whoever looks sees one of the two. Of several who move one source, one
  // succeeds. from == to is InvalidArgument. The moved object does not say whose move it was: of several who move one
  // source to one name and lose the answer (retry/retry_store.h), each may be told that it succeeded.
  virtual Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                                  const CallContext& context) = 0;
  // Changes attributes; content, generation and `updated` stay. Absent with if_generation may be PreconditionFailed.
  virtual Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                                   const CallContext& context) = 0;
  virtual Capabilities capabilities() const = 0;
};

// Applies the changes to what is there.
void ApplyChanges(const AttributeChanges& changes, ObjectInfo& info);

// InvalidArgument, naming the key, unless it is one that every store takes.
Result<void> CheckKey(const std::string& key);

// PreconditionFailed, naming the key, where a generation is wanted and another (kAbsent: no object) is there.
Result<void> CheckGeneration(const std::string& key, const Generation& actual, const std::optional<Generation>& wanted);

// Cancelled when stop was requested, Unavailable past the deadline: what a call checks before it begins.
Result<void> CheckContext(const CallContext& context);

// Every object and prefix of a listing, over all its pages. For listings known to be small enough to hold.
Result<ListPage> ListAll(Store& store, ListOptions options, const CallContext& context);

}  // namespace seamount::store

namespace seamount {
using store::Store;
}  // namespace seamount
