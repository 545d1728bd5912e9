#include "store/store.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>

#include "base/utf8.h"

namespace seamount::store {
Result<void> CheckKey(const std::string& key) {
  constexpr size_t kMaxKeyBytes = 1024;
  if (key.empty()) return base::InvalidArgument("object key: must not be empty");
  if (key.size() > kMaxKeyBytes) {
    return base::InvalidArgument("object key '" + key.substr(0, 64) + "…': " + std::to_string(key.size()) +
                                 " bytes long (at most 1024)");
  }
  if (key.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos) {
    return base::InvalidArgument("object key: must not hold NUL, CR or LF");
  }
  // As in GCS: these two cannot be named in a URL's path, where they mean a step.
  if (key == "." || key == "..") return base::InvalidArgument("object key '" + key + "': must not be '.' or '..'");
  if (!base::IsUtf8(key)) return base::InvalidArgument("object key: must be UTF-8");
  return {};
}

ByteSpan SpanOf(const std::optional<ByteRange>& range, uint64_t object_bytes) {
  if (!range) return {0, object_bytes};
  if (range->suffix) return {object_bytes - std::min(*range->suffix, object_bytes), object_bytes};
  const uint64_t begin = std::min(range->offset, object_bytes);
  return {begin, begin + std::min(range->length.value_or(object_bytes), object_bytes - begin)};
}

void ApplyChanges(const AttributeChanges& changes, ObjectInfo& info) {
  if (changes.content_type) info.content_type = *changes.content_type;
  if (changes.headers) info.headers = *changes.headers;
  for (const auto& [name, value] : changes.metadata) {
    if (value) {
      info.metadata.insert_or_assign(name, *value);
    } else {
      info.metadata.erase(name);
    }
  }
}

Result<void> CheckGeneration(const std::string& key, const Generation& actual,
                             const std::optional<Generation>& wanted) {
  if (!wanted || *wanted == actual) return {};
  if (*wanted == kAbsent) return base::PreconditionFailed("object '" + key + "': exists already");
  if (actual == kAbsent) return base::PreconditionFailed("object '" + key + "': does not exist any more");
  return base::PreconditionFailed("object '" + key + "': generation is " + actual.text() + ", not " + wanted->text());
}

Result<void> CheckContext(const CallContext& context) {
  if (context.stop.stop_requested()) return base::Cancelled("stop was requested");
  if (std::chrono::steady_clock::now() >= context.deadline) return base::Unavailable("the deadline has passed");
  return {};
}

Result<ListPage> ListAll(Store& store, ListOptions options, const CallContext& context) {
  ListPage all;
  do {
    SEAMOUNT_TRY_ASSIGN(ListPage page, store.List(options, context));
    std::move(page.objects.begin(), page.objects.end(), std::back_inserter(all.objects));
    std::move(page.prefixes.begin(), page.prefixes.end(), std::back_inserter(all.prefixes));
    options.page_token = std::move(page.next_page_token);
  } while (!options.page_token.empty());
  return all;
}

}  // namespace seamount::store
