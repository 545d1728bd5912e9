// URLs and request targets, taken apart strictly and put together with the right escapes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace seamount::net {

// An absolute http or https URL. Without user name, password and fragment: those are refused, since a credential in a
// URL ends up in logs and a fragment is never sent.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; IPv6 literals without brackets
  uint16_t port = 0;   // the scheme's own where the URL has none
  std::string path;    // as sent, percent-encoded; "/" where the URL has none
  std::string query;   // as sent, without '?'

  // scheme://host, with :port unless it is the scheme's own. Two URLs with equal origins reach the same server.
  std::string Origin() const;
  // Origin, path and query.
  std::string ToString() const;
};

// InvalidArgument names the URL and what was expected. At most 16 KiB.
Result<Url> ParseUrl(std::string_view url);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;  // decoded, in order

// "a=1&b=x%20y": names and values percent-encoded. Empty for none.
std::string JoinQuery(const QueryParameters& parameters);

// What stands in a request line.
struct RequestTarget {
  std::string path;  // as sent, percent-encoded; begins with '/'
  QueryParameters query;

  // The first value of that name.
  std::optional<std::string_view> Query(std::string_view name) const;
  // The path between its slashes, each segment decoded: "/b/x/o/a%2Fb" → {"b", "x", "o", "a/b"}. InvalidArgument on a
  // broken escape.
  Result<std::vector<std::string>> Segments() const;
};

// "/path?query" of a request line; an absolute URL, as proxies send it, loses its origin. In the query '+' means a
// space, as forms write it. InvalidArgument on anything else or a broken escape.
Result<RequestTarget> ParseTarget(std::string_view target);

}  // namespace seamount::net
