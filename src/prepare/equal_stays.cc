#include "prepare/equal_stays.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/checksum.h"

namespace seamount::prepare {

Result<store::ObjectInfo> EqualStays::Write(const std::string& key, const store::ByteSource& source,
                                            const store::WriteOptions& options, const CallContext& context) {
  if (!options.if_generation) {
    SEAMOUNT_TRY_ASSIGN(auto equal, FindEqual(key, source, options, context));
    if (equal) return *std::move(equal);
  }
  return inner().Write(key, source, options, context);
}

Result<std::optional<store::ObjectInfo>> EqualStays::FindEqual(const std::string& key, const store::ByteSource& source,
                                                               const store::WriteOptions& options,
                                                               const CallContext& context) {
  const std::optional<store::ObjectInfo> none;
  SEAMOUNT_TRY_ASSIGN(auto there, inner().Stat(key, context));
  if (!there || there->size_bytes != source.size()) return none;
  if (there->content_type != options.content_type || there->headers != options.headers) return none;
  std::vector<std::byte> content(source.size());
  SEAMOUNT_TRY(source.ReadAt(0, content));
  if (there->crc32c && *there->crc32c != base::Crc32c(content)) return none;
  const auto read = inner().Read(key, {.if_generation = there->generation}, context);
  if (!read || !*read) return none;  // then it is written anew
  const auto stored = (*read)->data.span();
  if (!std::equal(stored.begin(), stored.end(), content.begin(), content.end())) return none;
  return there;
}

}  // namespace seamount::prepare
