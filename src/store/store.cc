#include "store/store.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>

namespace seamount::store {
namespace {

// How many bytes the well-formed UTF-8 character at the front takes (Unicode 15, table 3-7); 0 when it is malformed.
size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto continues = [&](size_t from, size_t count) {
    for (size_t i = from; i < from + count; ++i) {
      if ((at(i) & 0xC0U) != 0x80U) return false;
    }
    return true;
  };
  const unsigned first = at(0);
  const unsigned second = at(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1, 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    return continues(1, 2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
    return continues(1, 3) ? 4 : 0;
  }
  return 0;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

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
  if (!IsUtf8(key)) return base::InvalidArgument("object key: must be UTF-8");
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
