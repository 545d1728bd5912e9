#include "store/memory/memory_store.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/checksum.h"

namespace seamount::store {
namespace {

struct Object {
  ObjectInfo info;
  Bytes data;
};

class MemoryStore final : public Store {
 public:
  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    std::scoped_lock lock(mutex_);
    const Object* object = Find(key);
    SEAMOUNT_TRY(CheckGeneration(key, GenerationOf(object), options.if_generation));
    if (object == nullptr) return std::optional<ReadResult>();
    const ByteSpan span = SpanOf(options.range, object->data.size());
    return std::optional<ReadResult>(ReadResult{object->info, object->data.Slice(span.begin, span.size())});
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    std::scoped_lock lock(mutex_);
    const Object* object = Find(key);
    if (object == nullptr) return std::optional<ObjectInfo>();
    return std::optional<ObjectInfo>(object->info);
  }

  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    Buffer buffer(source.size());
    SEAMOUNT_TRY(source.ReadAt(0, buffer.span()));
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY(CheckGeneration(key, GenerationOf(Find(key)), options.if_generation));
    return Put(key, std::move(buffer), options.content_type, options.metadata, options.headers);
  }

  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY(CheckGeneration(key, GenerationOf(Find(key)), options.if_generation));
    return objects_.erase(key) > 0;
  }

  Result<ListPage> List(const ListOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(CheckContext(context));
    if (options.max_results < 1) return base::InvalidArgument("list: max_results must be at least 1");
    std::scoped_lock lock(mutex_);
    ListPage page;
    // The page token is the last name handed out: an object's key, or a prefix to be skipped with all that it folds.
    std::string last = options.page_token;
    auto it = last.empty() ? objects_.lower_bound(std::max(options.prefix, options.start_offset)) : After(options);
    const auto wanted = [&](const std::string& key) {
      return key.starts_with(options.prefix) && (options.end_offset.empty() || key < options.end_offset);
    };
    for (int left = options.max_results; it != objects_.end() && wanted(it->first); --left) {
      if (left == 0) {
        page.next_page_token = last;
        break;
      }
      const size_t cut =
          options.delimiter.empty() ? std::string::npos : it->first.find(options.delimiter, options.prefix.size());
      if (cut == std::string::npos) {
        page.objects.push_back(it->second.info);
        last = it->first;
        ++it;
      } else {
        last = it->first.substr(0, cut + options.delimiter.size());
        page.prefixes.push_back(last);
        if (options.include_trailing_delimiter && it->first == last) page.objects.push_back(it->second.info);
        while (it != objects_.end() && it->first.starts_with(last)) ++it;
      }
    }
    return page;
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(Check(from, context));
    SEAMOUNT_TRY(Check(to, context));
    std::scoped_lock lock(mutex_);
    const Object* source = Find(from);
    if (source == nullptr) return base::NotFound("copying '" + from + "': no such object");
    SEAMOUNT_TRY(CheckGeneration(from, GenerationOf(source), options.if_source_generation));
    SEAMOUNT_TRY(CheckGeneration(to, GenerationOf(Find(to)), options.if_generation));
    const Object held = *source;
    return Put(to, held.data, held.info.content_type, options.metadata.value_or(held.info.metadata), held.info.headers);
  }

  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Check(to, context));
    for (const ComposeSource& source : sources) SEAMOUNT_TRY(CheckKey(source.key));
    if (sources.empty() || sources.size() > kMaxComposeSources) {
      return base::InvalidArgument("composing '" + to + "': takes 1 to 32 sources");
    }
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY(CheckGeneration(to, GenerationOf(Find(to)), options.if_generation));
    uint64_t total = 0;
    for (const ComposeSource& source : sources) {
      const Object* object = Find(source.key);
      if (object == nullptr) return base::NotFound("composing '" + to + "': no object '" + source.key + "'");
      SEAMOUNT_TRY(CheckGeneration(source.key, GenerationOf(object), source.if_generation));
      total += object->data.size();
    }
    Buffer buffer(total);
    std::byte* out = buffer.data();
    for (const ComposeSource& source : sources) {
      const auto span = Find(source.key)->data.span();
      out = std::copy(span.begin(), span.end(), out);
    }
    return Put(to, std::move(buffer), options.content_type, options.metadata, options.headers);
  }

  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(Check(from, context));
    SEAMOUNT_TRY(Check(to, context));
    if (from == to) return base::InvalidArgument("moving '" + from + "': onto itself");
    std::scoped_lock lock(mutex_);
    const Object* source = Find(from);
    if (source == nullptr) return base::NotFound("moving '" + from + "': no such object");
    SEAMOUNT_TRY(CheckGeneration(from, GenerationOf(source), options.if_source_generation));
    SEAMOUNT_TRY(CheckGeneration(to, GenerationOf(Find(to)), options.if_generation));
    const Object held = *source;
    objects_.erase(from);
    return Put(to, held.data, held.info.content_type, held.info.metadata, held.info.headers);
  }

  Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    std::scoped_lock lock(mutex_);
    const auto it = objects_.find(key);
    if (it == objects_.end()) return base::NotFound("patching '" + key + "': no such object");
    SEAMOUNT_TRY(CheckGeneration(key, it->second.info.generation, options.if_generation));
    ApplyChanges(changes, it->second.info);
    return it->second.info;
  }

  Capabilities capabilities() const override { return {}; }

 private:
  using Map = std::map<std::string, Object>;

  static Result<void> Check(const std::string& key, const CallContext& context) {
    SEAMOUNT_TRY(CheckKey(key));
    return CheckContext(context);
  }

  const Object* Find(const std::string& key) const {
    const auto it = objects_.find(key);
    return it == objects_.end() ? nullptr : &it->second;
  }

  static const Generation& GenerationOf(const Object* object) {
    return object == nullptr ? kAbsent : object->info.generation;
  }

  ObjectInfo Put(const std::string& key, Bytes data, const std::string& content_type,
                 const std::map<std::string, std::string>& metadata, const ContentHeaders& headers) {
    Object& object = objects_[key];
    object.info = {key,
                   data.size(),
                   Generation(std::to_string(++generations_)),
                   base::Crc32c(data.span()),
                   std::chrono::system_clock::now(),
                   content_type,
                   metadata,
                   headers};
    object.data = std::move(data);
    return object.info;
  }

  Map::iterator After(const ListOptions& options) {
    auto it = objects_.upper_bound(options.page_token);
    const bool is_prefix = !options.delimiter.empty() && options.page_token.ends_with(options.delimiter) &&
                           options.page_token.size() > options.prefix.size();
    while (is_prefix && it != objects_.end() && it->first.starts_with(options.page_token)) ++it;
    return it;
  }

  std::mutex mutex_;
  Map objects_;
  uint64_t generations_ = 0;
};

}  // namespace

std::unique_ptr<Store> MakeMemoryStore() { return std::make_unique<MemoryStore>(); }

}  // namespace seamount::store
