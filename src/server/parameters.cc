#include "server/parameters.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

namespace seamount::server {
namespace {

template <size_t N>
bool IsOneOf(std::string_view text, const std::array<std::string_view, N>& set) {
  return std::ranges::find(set, text) != set.end();
}

Error NotSupported(std::string_view what, std::string_view name) {
  return base::InvalidArgument(std::string(what) + " " + std::string(name) + " is not supported by this server");
}

// Who may read is decided by the bucket's policy alone ("uniform access"). These two say just that.
constexpr std::array<std::string_view, 4> kUniformAcls = {"projectPrivate", "bucketOwnerFullControl", "project-private",
                                                          "bucket-owner-full-control"};

Result<void> CheckJsonParameter(const Route& route, std::string_view name, std::string_view value) {
  static constexpr std::array<std::string_view, 5> kRefused = {"destinationKmsKeyName", "filter", "kmsKeyName",
                                                               "matchGlob", "restoreToken"};
  static constexpr std::array<std::string_view, 2> kRefusedWhenTrue = {"enableObjectRetention", "softDeleted"};
  static constexpr std::array<std::string_view, 3> kAcls = {"destinationPredefinedAcl", "predefinedAcl",
                                                            "predefinedDefaultObjectAcl"};
  if (value.empty()) return {};  // Google's Go library writes every parameter of a listing
  const bool refused = IsOneOf(name, kRefused) ||
                       (IsOneOf(name, kRefusedWhenTrue) && !net::EqualNames(value, "false")) ||
                       (IsOneOf(name, kAcls) && !IsOneOf(value, kUniformAcls)) ||
                       (name == "generation" && route.object.empty());  // of a bucket
  if (refused) return NotSupported("parameter", name);
  return {};
}

// In the XML API a parameter makes a request another one: PUT of an object with ?acl sets its rights. So what is not
// known is refused.
Result<void> CheckXmlParameter(std::string_view name) {
  static constexpr std::array<std::string_view, 15> kKnown = {
      "continuation-token", "delimiter", "encoding-type", "fetch-owner", "generation",
      "list-type",          "marker",    "max-keys",      "partNumber",  "prefix",
      "start-after",        "uploadId",  "userProject",   "uploads",     "x-id"};
  if (IsOneOf(name, kKnown)) return {};
  return NotSupported("parameter", name);
}

Result<void> CheckHeader(std::string_view lower_name, std::string_view value) {
  static constexpr std::array<std::string_view, 4> kRefusedPrefixes = {
      "x-goog-encryption-", "x-goog-copy-source-encryption-", "x-goog-copy-source-if-", "x-goog-object-lock-"};
  const bool refused =
      std::ranges::any_of(kRefusedPrefixes, [&](std::string_view prefix) { return lower_name.starts_with(prefix); }) ||
      lower_name == "x-goog-content-length-range" || (lower_name == "x-goog-acl" && !IsOneOf(value, kUniformAcls));
  if (refused) return NotSupported("header", lower_name);
  return {};
}

}  // namespace

Result<void> CheckParameters(const Route& route, const net::RequestTarget& target, const net::Headers& headers) {
  for (const auto& [name, value] : target.query)
    SEAMOUNT_TRY(route.xml() ? CheckXmlParameter(name) : CheckJsonParameter(route, name, value));
  for (const auto& [name, value] : headers.entries()) {
    std::string lower = name;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    SEAMOUNT_TRY(CheckHeader(lower, value));
  }
  return {};
}

}  // namespace seamount::server
