#include "net/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/encoding.h"
#include "base/text.h"

namespace seamount::net {
namespace {

// Longer URLs are refused by servers too; 1024-byte keys with every byte escaped stay far below.
constexpr size_t kMaxUrlBytes = 16 << 10;

uint16_t DefaultPort(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// Printable ASCII without space: what may stand in a URL as sent.
bool IsPlain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

bool IsHostName(std::string_view host) {
  return !host.empty() && host.size() <= 253 &&
         std::ranges::all_of(host, [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '.' || c == '_'; });
}

bool IsIpv6(std::string_view host) {
  return host.size() >= 2 && host.size() <= 45 && host.find(':') != std::string_view::npos &&
         std::ranges::all_of(host, [](unsigned char c) { return std::isxdigit(c) || c == ':' || c == '.'; });
}

Error Bad(std::string_view url, std::string_view why) {
  // What may hold a password or signature stays out of the message.
  std::string shown(url.substr(0, std::min(url.find_first_of("?#"), size_t{200})));
  if (shown.find('@') != std::string::npos) shown = "(with user name)";
  return base::InvalidArgument("URL '" + shown + "': " + std::string(why) +
                               " (expected http://host[:port]/path or https://…)");
}

// "host", "host:port", "[v6]", "[v6]:port" into url.host and url.port.
bool ParseAuthority(std::string_view authority, Url& url) {
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    url.host = Lower(authority.substr(1, close - 1));
    if (!IsIpv6(url.host)) return false;
    port = authority.substr(close + 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    url.host = Lower(authority.substr(0, colon));
    if (!IsHostName(url.host)) return false;
    port = authority.substr(colon);
  }
  url.port = DefaultPort(url.scheme);
  if (port.empty()) return true;
  if (port.front() != ':') return false;
  const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
  return error == std::errc() && end == port.data() + port.size() && url.port != 0;
}

// Decodes one name or value of a query.
Result<std::string> DecodeForm(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return base::PercentDecode(spaced);
}

}  // namespace

std::string Url::Origin() const {
  std::string origin = scheme + "://";
  origin += host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != DefaultPort(scheme)) origin += ":" + std::to_string(port);
  return origin;
}

std::string Url::ToString() const { return Origin() + path + (query.empty() ? "" : "?" + query); }

Result<Url> ParseUrl(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return Bad(text, "is longer than 16 KiB");
  if (!IsPlain(text)) return Bad("", "contains a space, control or non-ASCII character: percent-encode it");
  const size_t colon = text.find("://");
  Url url;
  if (colon != std::string_view::npos) url.scheme = Lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") return Bad(text, "has another scheme or none");
  if (text.find('#') != std::string_view::npos) return Bad(text, "has a fragment");
  const std::string_view rest = text.substr(colon + 3);
  const size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_end);
  if (authority.find('@') != std::string_view::npos) return Bad(text, "must not hold a user name or password");
  if (!ParseAuthority(authority, url)) return Bad(text, "has a malformed host or port");
  const std::string_view tail = rest.substr(authority_end);
  const size_t question = std::min(tail.find('?'), tail.size());
  url.path = question == 0 ? "/" : std::string(tail.substr(0, question));
  if (question < tail.size()) url.query = tail.substr(question + 1);
  return url;
}

std::string JoinQuery(const QueryParameters& parameters) {
  std::string query;
  for (const auto& [name, value] : parameters) {
    if (!query.empty()) query += '&';
    query += base::PercentEncode(name) + "=" + base::PercentEncode(value);
  }
  return query;
}

std::optional<std::string_view> RequestTarget::Query(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Result<std::vector<std::string>> RequestTarget::Segments() const {
  std::vector<std::string> segments = base::Split(std::string_view(path).substr(1), '/');
  for (std::string& segment : segments) {
    SEAMOUNT_TRY_ASSIGN(segment, base::PercentDecode(segment));
  }
  return segments;
}

Result<RequestTarget> ParseTarget(std::string_view target) {
  if (target.size() > kMaxUrlBytes) return base::InvalidArgument("the request target is longer than 16 KiB");
  if (!IsPlain(target)) return base::InvalidArgument("the request target holds characters that are not escaped");
  if (!target.starts_with('/')) {
    SEAMOUNT_TRY_ASSIGN(const Url url, ParseUrl(target));
    return ParseTarget(url.path + (url.query.empty() ? "" : "?" + url.query));
  }
  const size_t question = std::min(target.find('?'), target.size());
  RequestTarget parsed{.path = std::string(target.substr(0, question)), .query = {}};
  if (question == target.size()) return parsed;
  for (const std::string& part : base::Split(target.substr(question + 1), '&')) {
    if (part.empty()) continue;
    const size_t equals = std::min(part.find('='), part.size());
    SEAMOUNT_TRY_ASSIGN(std::string name, DecodeForm(std::string_view(part).substr(0, equals)));
    SEAMOUNT_TRY_ASSIGN(std::string value,
                        DecodeForm(std::string_view(part).substr(std::min(equals + 1, part.size()))));
    parsed.query.emplace_back(std::move(name), std::move(value));
  }
  return parsed;
}

}  // namespace seamount::net
