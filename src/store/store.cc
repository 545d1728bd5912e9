#include "store/store.h"

#include <iterator>

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
