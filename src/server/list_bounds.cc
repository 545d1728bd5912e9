#include "server/list_bounds.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/encoding.h"

namespace seamount::server {

std::string AfterPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

Result<ListBounds> BoundsOf(const ListLimits& limits) {
  std::string from = std::max(limits.prefix, limits.start_offset);
  if (!limits.page_token.empty()) {
    const auto token = base::Base64Decode(limits.page_token);
    if (!token) return base::InvalidArgument("pageToken: not one that this server gave");
    from = std::max(from, std::string(reinterpret_cast<const char*>(token->data()), token->size()));
  }
  std::string until = AfterPrefix(limits.prefix);
  if (!limits.end_offset.empty() && (until.empty() || limits.end_offset < until)) until = limits.end_offset;
  return ListBounds{std::move(from), std::move(until)};
}

std::string PageTokenOf(const std::string& next_name) { return base::Base64UrlEncode(base::AsBytes(next_name)); }

}  // namespace seamount::server
